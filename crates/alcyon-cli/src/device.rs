//! `alcyon device ...`: the devices of this account.

use std::io::Write;

use alcyon_client::{ConversationSummary, DeviceCode, ServerUrl};
use clap::Subcommand;

use crate::{
    commands::Native,
    failure::Failure,
    harmless::harmless_line,
    progress::with_progress,
    report::Report,
    text::{Language, Text, devices::DeviceText},
};

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// On a new device: make this profile a device of an account that you have on another one
    ///
    /// Shows a code and waits. Give it to a device that is in, with `alcyon device add`. Ended in the middle, the same command goes on.
    #[command(after_help = "Example:\n  alcyon device link --server https://chat.example.org")]
    Link {
        /// Where the two devices meet: best the account's own server
        #[arg(long, value_name = "URL")]
        server: ServerUrl,
        /// What this device is called on the others
        #[arg(long, default_value = "new device")]
        name: String,
    },
    /// Take a new device into this account: it gets everything that this one has
    ///
    /// Compare the number with the one on the new device before you say yes.
    #[command(after_help = "Example:\n  alcyon device add 'alcyon://device/chat.example.org#...'")]
    Add {
        /// The code that the new device shows
        code: DeviceCode,
        /// Do not ask: the number was compared, or there is nobody to compare it (for scripts)
        #[arg(long)]
        yes: bool,
    },
    /// List the devices of this account
    List,
    /// Remove another device from this account; what is written from then on it can't read
    ///
    /// For a device that is in hand. One that was lost or stolen still has the account's keys.
    Remove {
        /// Its name, or the beginning of its id
        device: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Give a device a name
    Name {
        /// Its name so far, or the beginning of its id
        device: String,
        /// The new name, at most 64 bytes
        name: String,
    },
}

pub(crate) async fn run<W: Write>(command: DeviceCommand, client: &Native, report: &mut Report<W>) -> Result<(), Failure> {
    let (look, json) = (report.look(), report.is_json());
    match command {
        DeviceCommand::Link { server, name } => {
            let code = with_progress(look, json, Text::Contacting, client.link_code(&server, &name)).await?;
            report.device_code(&code)?;
            let number = client.link_number().await?;
            report.link_number(&number)?;
            let me = client.link_finish().await?;
            report.linked(&me)?;
        }
        DeviceCommand::Add { code, yes } => {
            let asking = with_progress(look, json, Text::Contacting, client.add_device(&code)).await?;
            report.device_to_add(&asking)?;
            if !yes && !answered_yes(report, DeviceText::SameNumber)? {
                with_progress(look, json, Text::Contacting, client.refuse_device(&code)).await?;
                report.device_refused(&asking)?;
                return Ok(());
            }
            with_progress(look, json, Text::Contacting, client.confirm_device(&code)).await?;
            report.device_added(&asking)?;
        }
        DeviceCommand::List => report.devices(&client.devices()?)?,
        DeviceCommand::Remove { device, yes } => {
            let found = client.find_device(&device)?;
            if !yes && !answered_yes(report, DeviceText::ReallyRemove { name: &harmless_line(&device) })? {
                return Ok(());
            }
            with_progress(look, json, Text::Contacting, client.remove_device(&device)).await?;
            report.device_gone(found, &device)?;
        }
        DeviceCommand::Name { device, name } => {
            let found = client.find_device(&device)?;
            with_progress(look, json, Text::Contacting, client.name_device(&device, &name)).await?;
            report.device_named(found, &name)?;
        }
    }
    Ok(())
}

/// Asks on the terminal; where there is none, or with `--json`, `--yes` has to be given.
fn answered_yes<W: Write>(report: &mut Report<W>, question: DeviceText<'_>) -> Result<bool, Failure> {
    report.device_hint(question)?;
    if report.is_json() {
        return Ok(false);
    }
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "o" | "oui"))
}

/// The conversations; that of the account's own devices has a name in the reader's language.
pub(crate) fn conversations(client: &Native, language: Language) -> Result<Vec<ConversationSummary>, Failure> {
    let mut conversations = client.conversations()?;
    for own in conversations.iter_mut().filter(|one| one.own_devices) {
        own.title = language.say_of_devices(DeviceText::NoteToSelf);
    }
    Ok(conversations)
}
