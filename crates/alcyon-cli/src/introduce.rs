//! `alcyon introduce`: the own name and picture, for those whom one talks with.

use std::{io::Write, path::PathBuf};

use crate::{attaching, commands::Native, failure::Failure, progress::with_progress, report::Report, text::Text};

pub(crate) async fn run<W: Write>(
    name: Option<String>,
    picture: Option<PathBuf>,
    client: &Native,
    report: &mut Report<W>,
) -> Result<(), Failure> {
    let me = client.me()?;
    if name.is_some() || picture.is_some() {
        let jpeg = match picture {
            Some(path) => Some(attaching::picture_or_none(path).await?),
            None => None,
        };
        let set = client.set_introduction(name.as_deref(), jpeg.as_deref());
        with_progress(report.look(), report.is_json(), Text::Contacting, set).await?;
    }
    Ok(report.introduction(&client.introduction(me.account)?)?)
}
