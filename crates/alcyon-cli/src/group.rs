//! `alcyon group ...` and `alcyon join`.

use std::{io::Write, path::PathBuf};

use alcyon_client::{AccountId, ActOutcome, GroupPermission, Handle, JoinLink, JoinOutcome, OpenedLink, ServerUrl};
use clap::{Subcommand, ValueEnum};

use crate::{
    args::parse_handle,
    attaching,
    commands::Native,
    conversation::Seconds,
    failure::Failure,
    progress::with_progress,
    report::Report,
    text::{Text, group::GroupText},
};

/// To whom something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// Admins alone
    Admins,
    /// Every member
    Members,
}

/// What somebody is in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// May do everything
    Admin,
    /// May do what the settings allow
    Member,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Make a group, of you alone; the others come in by invites and links
    Create {
        /// The title, at most 128 bytes
        #[arg(required = true)]
        title: Vec<String>,
    },
    /// Invite people; nobody is in before they have accepted
    Invite {
        /// The group's conversation id
        group: String,
        /// Whom: HANDLE, or HANDLE#ACCOUNT
        #[arg(required = true, value_name = "HANDLE[#ACCOUNT]", value_parser = parse_handle)]
        handles: Vec<(Handle, Option<AccountId>)>,
    },
    /// Open a link to the group, list your links, or close them all
    ///
    /// Whoever has the link can read who is in the group. After removing somebody who had it, close it and open another.
    Link {
        /// The group's conversation id
        group: String,
        /// An admin has to approve whoever comes by it
        #[arg(long, conflicts_with_all = ["off", "list"])]
        approve: bool,
        /// Close all links
        #[arg(long, conflicts_with = "list")]
        off: bool,
        /// List your links that are open
        #[arg(long)]
        list: bool,
    },
    /// Let somebody in who has asked by a link
    Approve {
        /// The group's conversation id
        group: String,
        /// Whom
        handle: Handle,
    },
    /// Do not let somebody in who has asked by a link; they are not told
    Reject {
        /// The group's conversation id
        group: String,
        /// Whom
        handle: Handle,
    },
    /// List the members, the oldest first
    Members {
        /// The group's conversation id
        group: String,
    },
    /// Show the roles, or give somebody one
    Roles {
        /// The group's conversation id
        group: String,
        /// Whom: a handle or an account id
        #[arg(requires = "role")]
        who: Option<String>,
        /// What they are from now on
        role: Option<Role>,
    },
    /// Change how the group is set, or show it
    Set {
        /// The group's conversation id
        group: String,
        /// The title
        #[arg(long)]
        title: Option<String>,
        /// The description; empty for none
        #[arg(long)]
        description: Option<String>,
        /// The picture: the middle of an image, made small; - for none
        #[arg(long, value_name = "FILE")]
        picture: Option<PathBuf>,
        /// Messages vanish after so many seconds, or a span like 8h, 1d, 1w; 0: they stay
        #[arg(long, value_name = "SECONDS")]
        timer: Option<Seconds>,
        /// Who invites
        #[arg(long, value_name = "WHO")]
        invite: Option<To>,
        /// Who sets title, description, picture and timer
        #[arg(long, value_name = "WHO")]
        edit: Option<To>,
        /// Who writes messages
        #[arg(long, value_name = "WHO")]
        write: Option<To>,
    },
    /// Remove somebody; nothing that is accepted after it can be read by them
    Remove {
        /// The group's conversation id
        group: String,
        /// Whom: a handle or an account id
        who: String,
    },
    /// Move a group, or a conversation of two, to another server; everybody in it goes along
    ///
    /// Nobody has to do anything. It also works while the server it is on is away: what waits goes to the new one.
    Move {
        /// The conversation's id
        group: String,
        /// Where to: the server's address
        #[arg(value_name = "URL")]
        server: ServerUrl,
    },
    /// Leave a group
    Leave {
        /// The group's conversation id
        group: String,
    },
    /// End a group for all
    End {
        /// The group's conversation id
        group: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn run<W: Write>(command: GroupCommand, client: &Native, report: &mut Report<W>) -> Result<(), Failure> {
    let (look, json) = (report.look(), report.is_json());
    match command {
        GroupCommand::Create { title } => {
            let conversation = with_progress(look, json, Text::Contacting, client.create_group(&title.join(" "))).await?;
            report.group_made(&conversation.to_text())?;
        }
        GroupCommand::Invite { group, handles } => {
            let conversation = client.find(&group)?;
            let outcome = with_progress(look, json, Text::Contacting, client.invite(conversation, &handles)).await?;
            report.act("invited", &group, outcome)?;
        }
        GroupCommand::Link { group, approve: _, off: true, list: _ } => {
            let conversation = client.find(&group)?;
            let outcome = with_progress(look, json, Text::Contacting, client.close_links(conversation)).await?;
            report.act("links-closed", &group, outcome)?;
        }
        GroupCommand::Link { group, approve: _, off: false, list: true } => {
            for link in client.links_of(client.find(&group)?)? {
                report.link(&link)?;
            }
        }
        GroupCommand::Link { group, approve, off: false, list: false } => {
            let conversation = client.find(&group)?;
            match with_progress(look, json, Text::Contacting, client.open_link(conversation, approve)).await? {
                OpenedLink::Open(link) => report.link(&link)?,
                OpenedLink::Queued => {
                    report.act("queued", &group, ActOutcome::Queued)?;
                    report.hint(GroupText::LinkComes)?;
                }
            }
        }
        GroupCommand::Approve { group, handle } => {
            let request = client.asking(client.find(&group)?, &handle)?;
            with_progress(look, json, Text::Contacting, client.approve(request)).await?;
            report.act("approved", &group, ActOutcome::Done)?;
        }
        GroupCommand::Reject { group, handle } => {
            client.reject(client.asking(client.find(&group)?, &handle)?)?;
            report.act("rejected", &group, ActOutcome::Done)?;
        }
        GroupCommand::Members { group } | GroupCommand::Roles { group, who: None, role: _ } => {
            report.members(&client.group(client.find(&group)?)?)?
        }
        GroupCommand::Roles { group, who: Some(who), role } => {
            let conversation = client.find(&group)?;
            let admin = role == Some(Role::Admin);
            let outcome = with_progress(look, json, Text::Contacting, client.set_role(conversation, &who, admin)).await?;
            report.act("changed", &group, outcome)?;
        }
        GroupCommand::Set { group, title, description, picture, timer, invite, edit, write } => {
            let conversation = client.find(&group)?;
            let mut outcomes = Vec::new();
            if let Some(title) = title {
                outcomes.push(with_progress(look, json, Text::Contacting, client.set_title(conversation, &title)).await?);
            }
            if let Some(description) = description {
                outcomes.push(with_progress(look, json, Text::Contacting, client.set_description(conversation, &description)).await?);
            }
            if let Some(path) = picture {
                let jpeg = attaching::picture_or_none(path).await?;
                outcomes.push(with_progress(look, json, Text::Contacting, client.set_picture(conversation, &jpeg)).await?);
            }
            if let Some(Seconds(seconds)) = timer {
                outcomes.push(with_progress(look, json, Text::Contacting, client.set_timer(conversation, seconds)).await?);
            }
            for (permission, to) in [(GroupPermission::Invite, invite), (GroupPermission::Edit, edit), (GroupPermission::Write, write)] {
                if let Some(to) = to {
                    let set = client.set_permission(conversation, permission, to == To::Members);
                    outcomes.push(with_progress(look, json, Text::Contacting, set).await?);
                }
            }
            match outcomes.iter().find(|outcome| **outcome == ActOutcome::Queued).or(outcomes.first()) {
                Some(outcome) => report.act("changed", &group, *outcome)?,
                None => report.settings(&client.group(conversation)?)?,
            }
        }
        GroupCommand::Remove { group, who } => {
            let conversation = client.find(&group)?;
            let outcome = with_progress(look, json, Text::Contacting, client.remove(conversation, &who)).await?;
            report.act("removed", &group, outcome)?;
            if !client.links_of(conversation)?.is_empty() {
                report.hint(GroupText::LinksAreOpen)?;
            }
        }
        GroupCommand::Move { group, server } => {
            let conversation = client.find(&group)?;
            let outcome = with_progress(look, json, Text::Contacting, client.move_to(conversation, &server)).await?;
            report.act("moved", &group, outcome)?;
        }
        GroupCommand::Leave { group } => {
            let outcome = with_progress(look, json, Text::Contacting, client.leave(client.find(&group)?)).await?;
            report.act("left", &group, outcome)?;
        }
        GroupCommand::End { group, yes } => {
            let conversation = client.find(&group)?;
            if !yes && !json && !confirmed(report)? {
                return Ok(());
            }
            let outcome = with_progress(look, json, Text::Contacting, client.end_group(conversation)).await?;
            report.act("ended", &group, outcome)?;
        }
    }
    Ok(())
}

/// Asks on the terminal; where there is none, `--yes` has to be given.
fn confirmed<W: Write>(report: &mut Report<W>) -> Result<bool, Failure> {
    report.hint(GroupText::ReallyEnd)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "o" | "oui"))
}

pub(crate) async fn join<W: Write>(link: &JoinLink, client: &Native, report: &mut Report<W>) -> Result<(), Failure> {
    let (look, json) = (report.look(), report.is_json());
    match with_progress(look, json, Text::Contacting, client.join(link)).await? {
        JoinOutcome::In { conversation } => report.change("accepted", &conversation.to_text(), Text::AcceptedHere)?,
        JoinOutcome::Queued { conversation } => report.act("accepted", &conversation.to_text(), ActOutcome::Queued)?,
        JoinOutcome::Asked { admin } => {
            let who = admin.to_text();
            report.asked(&who)?;
        }
    }
    Ok(())
}
