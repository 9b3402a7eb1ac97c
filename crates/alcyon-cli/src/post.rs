//! What can be done to messages, and messages that are no texts.

use std::io::Write;

use alcyon_client::{ClientError, LinkPreview, MessageId, Post, TextFormat, marked_spans};
use alcyon_net::{PagePreview, PreviewFetcher};
use clap::Subcommand;

use crate::{args::parse_message, commands::Native, failure::Failure, progress::with_progress, report::Report, text::Text};

#[derive(Debug, Subcommand)]
pub(crate) enum PostCommand {
    /// Put an emoji under a message
    #[command(after_help = "Example:\n  alcyon react ben@chat.example.org ID 👍")]
    React {
        /// A handle, or a conversation's id
        who: String,
        /// The message: its id, as --json shows it
        #[arg(value_parser = parse_message)]
        id: MessageId,
        /// Any emoji
        emoji: String,
        /// Take it back
        #[arg(long)]
        back: bool,
    },
    /// Change an own text, within 24 hours; everybody sees that it was changed
    Edit {
        /// A handle, or a conversation's id
        who: String,
        /// The message
        #[arg(value_parser = parse_message)]
        id: MessageId,
        /// The new text, words joined by spaces; - reads standard input
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// Delete a message for everybody, within 24 hours: an own one, or as an admin of the group anybody's
    Delete {
        /// A handle, or a conversation's id
        who: String,
        /// The message
        #[arg(value_parser = parse_message)]
        id: MessageId,
    },
    /// Write a message again elsewhere, marked as forwarded
    Forward {
        /// Where it is: a handle, or a conversation's id
        who: String,
        /// The message
        #[arg(value_parser = parse_message)]
        id: MessageId,
        /// Where it goes: a handle, or a conversation's id
        to: String,
    },
    /// Ask a question with 2 to 12 options
    #[command(after_help = "Example:\n  alcyon poll ben@chat.example.org 'When?' today tomorrow never")]
    Poll {
        /// A handle, or a conversation's id
        who: String,
        /// The question
        question: String,
        /// The options
        #[arg(required = true, num_args = 2..)]
        options: Vec<String>,
        /// Everybody may choose several
        #[arg(long)]
        several: bool,
    },
    /// Vote in a poll, instead of what you voted before
    #[command(after_help = "Example:\n  alcyon vote ben@chat.example.org ID 2")]
    Vote {
        /// A handle, or a conversation's id
        who: String,
        /// The poll
        #[arg(value_parser = parse_message)]
        id: MessageId,
        /// Numbers of options, from 1; none takes the vote back
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        options: Vec<u32>,
    },
    /// End an own poll: no vote counts any more
    EndPoll {
        /// A handle, or a conversation's id
        who: String,
        /// The poll
        #[arg(value_parser = parse_message)]
        id: MessageId,
    },
    /// Pin a message for everybody in the conversation; at most five are
    Pin {
        /// A handle, or a conversation's id
        who: String,
        /// The message
        #[arg(value_parser = parse_message)]
        id: MessageId,
    },
    /// The reverse of pin
    Unpin {
        /// A handle, or a conversation's id
        who: String,
        /// The message
        #[arg(value_parser = parse_message)]
        id: MessageId,
    },
    /// Print the pinned messages of a conversation, the newest pin first
    Pins {
        /// A handle, or a conversation's id
        who: String,
    },
}

pub(crate) async fn run<W: Write>(command: PostCommand, client: &Native, report: &mut Report<W>) -> Result<(), Failure> {
    let (who, post) = match command {
        PostCommand::React { who, id, emoji, back } => (who, Post::React { target: id, emoji, back }),
        PostCommand::Edit { who, id, text } => (who, Post::Edit { target: id, text: text.concat(), format: TextFormat::Marked }),
        PostCommand::Delete { who, id } => (who, Post::Delete { target: id }),
        PostCommand::Forward { who, id, to } => {
            let from = client.find(&who)?;
            (to, Post::Forward { from, id })
        }
        PostCommand::Poll { who, question, options, several } => (who, Post::Poll { question, options, several }),
        PostCommand::Vote { who, id, options } => (who, Post::Vote { target: id, options: from_zero(&options)? }),
        PostCommand::EndPoll { who, id } => (who, Post::EndPoll { target: id }),
        PostCommand::Pin { who, id } => (who, Post::Pin { target: id, pinned: true }),
        PostCommand::Unpin { who, id } => (who, Post::Pin { target: id, pinned: false }),
        PostCommand::Pins { who } => {
            for message in client.pinned_messages(client.find(&who)?)? {
                report.message(&message)?;
            }
            return Ok(());
        }
    };
    let conversation = client.find(&who)?;
    let outcome = with_progress(report.look(), report.is_json(), Text::Sending, client.post(conversation, &post)).await?;
    if post.target().is_some() {
        report.posted(&outcome)?
    } else {
        report.outcome(&outcome)?
    }
    Ok(())
}

/// What the first page that a text links to says about itself.
pub(crate) async fn preview_of(text: &str) -> Result<LinkPreview, Failure> {
    let links = marked_spans(text).into_iter().filter_map(|span| text.get(span.link?)).map(str::to_owned);
    let url = links.into_iter().find(|link| link.starts_with("https://") || link.starts_with("http://")).ok_or(Failure::NoLink)?;
    let PagePreview { title, description, image } = PreviewFetcher::new()?.preview(&url).await?;
    Ok(LinkPreview { url, title, description, image })
}

/// People count from 1.
pub(crate) fn from_zero(options: &[u32]) -> Result<Vec<u32>, ClientError> {
    let none = || ClientError::Unknown { field: "option", what: "0".to_owned() };
    options.iter().map(|option| option.checked_sub(1).ok_or_else(none)).collect()
}
