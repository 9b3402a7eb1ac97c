//! Carrying out what a command asks for.

use std::path::{Path, PathBuf};

use alcyon_client::{
    ActOutcome, ClientError, Clock as _, ConversationId, Handle, JoinOutcome, Muted, OpenedLink, Post, Report, ReportDraft, Telling,
};
use alcyon_image::Pixels;
use alcyon_net::{FolderRoom, SystemClock};

use super::slash::{Act, TypedLink};
use crate::{attaching, commands::Native, conversation::muted_for, failure::Failure, files};

/// What an act came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Acted {
    Done,
    /// It is done as soon as the server takes it.
    Queued,
    /// Somebody was removed, and may have a link.
    LinksAreOpen,
    Links(Vec<TypedLink>),
    /// A group was made: nobody else is in.
    Made(ConversationId),
    /// This device is in, or comes in with the next connection.
    In(ConversationId),
    /// An admin is asked.
    Asked(Handle),
    Muted(Option<Muted>),
    Pinned(bool),
    Archived(bool),
    TimerSet(u32),
    MarkedUnread,
    Telling(Telling),
    /// A file of this name is on its way.
    Attached(String),
    /// An image is here, to be shown.
    Seen {
        name: String,
        pixels: Pixels,
    },
    /// A file was written there, of so many bytes.
    Saved(PathBuf, u64),
    /// A report was made: nothing of it is sent before somebody has read it.
    Report(Box<Report>),
    /// And sent.
    Reported,
}

impl From<ActOutcome> for Acted {
    fn from(outcome: ActOutcome) -> Self {
        match outcome {
            ActOutcome::Done => Self::Done,
            ActOutcome::Queued => Self::Queued,
        }
    }
}

/// Does it. What needs a conversation has one, by the table of commands.
pub(super) async fn carry_out(
    client: &Native,
    room: &FolderRoom,
    conversation: Option<ConversationId>,
    act: Act,
) -> Result<Acted, Failure> {
    let here = conversation.ok_or(ClientError::Unknown { field: "conversation", what: String::new() });
    Ok(match act {
        Act::Create(title) => Acted::Made(client.create_group(&title).await?),
        Act::Join(TypedLink(link)) => match client.join(&link).await? {
            JoinOutcome::In { conversation } | JoinOutcome::Queued { conversation } => Acted::In(conversation),
            JoinOutcome::Asked { admin } => Acted::Asked(admin),
        },
        Act::Invite(handles) => client.invite(here?, &handles).await?.into(),
        Act::OpenLink { approval } => match client.open_link(here?, approval).await? {
            OpenedLink::Open(link) => Acted::Links(vec![TypedLink(link)]),
            OpenedLink::Queued => Acted::Queued,
        },
        Act::CloseLinks => client.close_links(here?).await?.into(),
        Act::ListLinks => Acted::Links(client.links_of(here?)?.into_iter().map(TypedLink).collect()),
        Act::Approve(handle) => {
            client.approve(client.asking(here?, &handle)?).await?;
            Acted::Done
        }
        Act::Reject(handle) => {
            client.reject(client.asking(here?, &handle)?)?;
            Acted::Done
        }
        Act::Role { who, admin } => client.set_role(here?, &who, admin).await?.into(),
        Act::Title(title) => client.set_title(here?, &title).await?.into(),
        Act::Description(description) => client.set_description(here?, &description).await?.into(),
        Act::Timer(seconds) => {
            client.set_timer(here?, seconds).await?;
            Acted::TimerSet(seconds)
        }
        Act::Contact(handle) => {
            let account = client.account_called(&handle)?;
            client.enqueue_post(here?, &Post::Contact { account })?;
            Acted::Done
        }
        Act::Unread => {
            client.mark_unread(here?)?;
            Acted::MarkedUnread
        }
        Act::Tell(what, on) => {
            let here = here?;
            client.set_telling_in(here, what, on)?;
            Acted::Telling(client.telling_in(here)?)
        }
        Act::Allow { permission, members } => client.set_permission(here?, permission, members).await?.into(),
        Act::Remove(who) => {
            let here = here?;
            match client.remove(here, &who).await? {
                ActOutcome::Done if !client.links_of(here)?.is_empty() => Acted::LinksAreOpen,
                outcome => outcome.into(),
            }
        }
        Act::Move(server) => client.move_to(here?, &server).await?.into(),
        Act::Leave => client.leave(here?).await?.into(),
        Act::End => client.end_group(here?).await?.into(),
        Act::Mute(span) => {
            let muted = Some(muted_for(span, SystemClock.now_ms()));
            client.set_muted(here?, muted)?;
            Acted::Muted(muted)
        }
        Act::Unmute => {
            client.set_muted(here?, None)?;
            Acted::Muted(None)
        }
        Act::Pin(pinned) => {
            client.set_pinned(here?, pinned)?;
            Acted::Pinned(pinned)
        }
        Act::File(path) => Acted::Attached(files::attach(here?, Path::new(&path), client, room).await?),
        Act::Save { path, id } => {
            let id = id.ok_or(ClientError::NotFetched)?;
            client.fetch_file(id)?;
            client.settled(id).await?;
            let (path, size) = files::save_fetched(id, Path::new(&path), false, client, room).await?;
            Acted::Saved(path, size)
        }
        Act::View { id } => {
            let (name, pixels) = files::see(id.ok_or(ClientError::NotFetched)?, client, room).await?;
            Acted::Seen { name, pixels }
        }
        Act::GroupPicture(path) => {
            let jpeg = attaching::picture_or_none(path.into()).await?;
            client.set_picture(here?, &jpeg).await?.into()
        }
        Act::Introduce(name) => {
            client.set_introduction(Some(if name == "-" { "" } else { &name }), None).await?;
            Acted::Done
        }
        Act::Portrait(path) => {
            let jpeg = attaching::picture_or_none(path.into()).await?;
            client.set_introduction(None, Some(&jpeg)).await?;
            Acted::Done
        }
        Act::Report { to_operator, reason, words, message, whom } => {
            let draft = ReportDraft {
                conversation: here?,
                whom: whom.map(|account| account.to_text()),
                reason,
                words,
                messages: message.into_iter().collect(),
                to_admins: !to_operator,
                to_operator,
                named: false,
            };
            Acted::Report(Box::new(client.make_report(&draft)?))
        }
        Act::SendReport(report) => {
            client.send_report(&report).await?;
            Acted::Reported
        }
        Act::Archive(archived) => {
            client.set_archived(here?, archived)?;
            Acted::Archived(archived)
        }
        // The interface does these by itself.
        Act::Help
        | Act::Search(_)
        | Act::Members
        | Act::Reply(_)
        | Act::React { .. }
        | Act::Edit(_)
        | Act::Delete
        | Act::Forward(_)
        | Act::Poll { .. }
        | Act::Location(_)
        | Act::Start(_)
        | Act::Vote(_)
        | Act::EndPoll
        | Act::PinMessage(_) => Acted::Done,
    })
}
