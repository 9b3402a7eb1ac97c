//! `alcyon search`: looking for messages in this profile.

use std::{collections::HashMap, io::Write};

use alcyon_client::Search;

use crate::{called::title_of, commands::Native, failure::Failure, moments::Zone, report::Report};

pub(crate) fn run<W: Write>(query: &str, limit: u32, client: &Native, report: &mut Report<W>) -> Result<(), Failure> {
    let search = Search::parse(query, |year, month, day| Zone::System.day_begins(year, month, day))?;
    let found = client.search(&search, limit)?;
    let conversations = crate::device::conversations(client, report.look().language)?;
    let titles: HashMap<_, _> = conversations.into_iter().map(|one| (one.conversation, title_of(&one))).collect();
    for message in &found {
        report.found(message, titles.get(&message.conversation).map(String::as_str).unwrap_or_default())?;
    }
    if found.is_empty() {
        report.nothing_found()?;
    }
    Ok(())
}
