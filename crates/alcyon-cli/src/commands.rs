//! One function a command: call the client, print what came of it.

use std::io::{Read as _, Write, stdin};

use alcyon_client::{Client, ConversationId, Post, ReportDraft, TextFormat};
use alcyon_net::{FolderRoom, NetOptions, NetTransport, SystemClock};
use alcyon_wire::limits;

use crate::{
    args::{Carries, Command, Place},
    attaching, conversation,
    device::{self, DeviceCommand},
    failure::Failure,
    files, group,
    key::SystemSecrets,
    listening::{listen, sync},
    look::Look,
    post::{self, PostCommand},
    profile,
    progress::with_progress,
    report::Report,
    text::Text,
};

/// The client over this machine's network and clock.
pub(crate) type Native = Client<NetTransport, SystemClock>;

/// Opens the profile. `create` makes one if there is none.
pub(crate) fn open(place: &Place, create: bool, look: Look) -> Result<Native, Failure> {
    let directory = place.profile.clone().unwrap_or_else(profile::default_directory);
    let store = profile::open(&directory, create, &SystemSecrets { language: look.language })?;
    let transport = NetTransport::new(NetOptions { insecure_http: place.insecure_http })?;
    Ok(Client::open(store, transport, SystemClock)?)
}

/// Runs `work` to its end on this thread, for which alone the client is made.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    // A name resolution that hangs must not keep a finished command.
    runtime.shutdown_background();
    done
}

pub(crate) fn run<W: Write>(command: Command, place: &Place, report: &mut Report<W>) -> Result<(), Failure> {
    // Standard input first: the profile is not kept from others while somebody types.
    let command = match command {
        Command::Send { who, reply, plain, file, voice, keep_metadata, view_once, sticker, carries, text } if !text.is_empty() => {
            Command::Send { who, reply, plain, file, voice, keep_metadata, view_once, sticker, carries, text: vec![text_of(text)?] }
        }
        Command::Post(PostCommand::Edit { who, id, text }) => Command::Post(PostCommand::Edit { who, id, text: vec![text_of(text)?] }),
        Command::Start { handle, text } => Command::Start { handle, text: vec![text_of(text)?] },
        other => other,
    };
    let client =
        open(place, matches!(command, Command::Register { .. } | Command::Device { command: DeviceCommand::Link { .. } }), report.look())?;
    block_on(execute(command, &client, &files::room(place), report))
}

async fn execute<W: Write>(command: Command, client: &Native, room: &FolderRoom, report: &mut Report<W>) -> Result<(), Failure> {
    let (look, json) = (report.look(), report.is_json());
    match command {
        Command::Register { name, server, no_wait, shows } => crate::sign_up::run(&name, &server, !no_wait, shows, client, report).await?,
        Command::Whoami => report.me(&client.me()?)?,
        Command::Introduce { name, picture } => crate::introduce::run(name, picture, client, report).await?,
        Command::Conversations => report.conversations(&device::conversations(client, look.language)?)?,
        Command::Conversation { command } => conversation::run(command, client, report)?,
        Command::SafetyNumber { handle } => {
            let number = with_progress(look, json, Text::Contacting, client.safety_number(&handle)).await?;
            report.safety_number(&handle.to_text(), &number)?;
        }
        Command::Start { handle: (handle, account), text } => {
            let outcome = with_progress(look, json, Text::Sending, client.start(&handle, account, &text.concat())).await?;
            report.outcome(&outcome)?;
        }
        Command::Requests => report.requests(&client.requests()?)?,
        Command::Accept { id } => {
            let conversation = with_progress(look, json, Text::Contacting, client.accept(id)).await?;
            report.change("accepted", &conversation.to_text(), Text::AcceptedHere)?;
        }
        Command::Decline { id } => {
            with_progress(look, json, Text::Contacting, client.decline(id)).await?;
            report.change("declined", &id.to_text(), Text::Declined)?;
        }
        Command::Block { handle } => {
            with_progress(look, json, Text::Contacting, client.block(&handle)).await?;
            let who = handle.to_text();
            report.contact("blocked", &who, Text::Blocked { who: &who })?;
        }
        Command::Report { who, reason, whom, messages, words, to, named, block, yes } => {
            let conversation = match ConversationId::from_text(&who, "who") {
                Ok(id) => id,
                Err(_) => client.find(&who)?,
            };
            let [to_admins, to_operator] = ["admins", "operator"].map(|one| to.iter().any(|given| given == one));
            let draft = ReportDraft { conversation, whom, reason, words, messages, to_admins, to_operator, named };
            let made = client.make_report(&draft)?;
            let sent = yes && made.goes_somewhere();
            if sent {
                with_progress(look, json, Text::Sending, client.send_report(&made)).await?;
            }
            report.reported(&made, sent)?;
            if let Some(handle) = made.about.and_then(|about| about.handle).filter(|_| sent && block) {
                with_progress(look, json, Text::Contacting, client.block(&handle)).await?;
                let who = handle.to_text();
                report.contact("blocked", &who, Text::Blocked { who: &who })?;
            }
        }
        Command::Unblock { handle } => {
            with_progress(look, json, Text::Contacting, client.unblock(&handle)).await?;
            let who = handle.to_text();
            report.contact("unblocked", &who, Text::Unblocked { who: &who })?;
        }
        Command::Send { who, reply, plain, file, voice, keep_metadata, view_once, sticker, carries, text } => {
            let conversation = client.find(&who)?;
            let Carries { location, contact, preview } = carries;
            let contact = contact.map(|handle| client.account_called(&handle)).transpose()?;
            let is = match voice {
                _ if sticker => attaching::As::Sticker,
                Some(_) => attaching::As::Voice,
                None => attaching::As::File,
            };
            let how = attaching::How { is, keep_metadata, view_once };
            let prepared = attaching::prepare_all(file.into_iter().chain(voice).collect(), how).await?;
            if !prepared.is_empty() {
                files::send(conversation, prepared, client, room, report).await?;
            }
            let beside = location.map(Post::Location).into_iter().chain(contact.map(|account| Post::Contact { account }));
            for post in beside {
                let outcome = with_progress(look, json, Text::Sending, client.post(conversation, &post)).await?;
                report.outcome(&outcome)?;
            }
            if text.is_empty() {
                return Ok(());
            }
            let format = if plain { TextFormat::Plain } else { TextFormat::Marked };
            let text = text.concat();
            let post = match preview {
                true => {
                    let preview = Box::new(with_progress(look, json, Text::Contacting, post::preview_of(&text)).await?);
                    Post::Previewed { text, format, reply_to: reply, preview }
                }
                false => Post::Text { text, format, reply_to: reply },
            };
            let outcome = with_progress(look, json, Text::Sending, client.post(conversation, &post)).await?;
            report.outcome(&outcome)?;
        }
        Command::Post(command) => post::run(command, client, report).await?,
        Command::Files { who } => files::list(&who, client, report)?,
        Command::Save { id, path, force } => files::save(id, &path, force, client, room, report).await?,
        Command::Transfer { command } => files::transfer(command, client, room, report).await?,
        Command::Sync => {
            // A file that gets over now becomes a message, which goes with the rest.
            files::carry(client, room, report).await?;
            sync(client, report).await?;
        }
        Command::Listen => listen(client, room, report).await?,
        Command::History { who, limit } => {
            let messages = client.history(client.find(&who)?, None, limit)?;
            if messages.is_empty() {
                report.no_messages()?;
            }
            for message in &messages {
                report.message(message)?;
            }
        }
        Command::Search { query, limit } => crate::search::run(&query.join(" "), limit, client, report)?,
        Command::Timer { who, time } => crate::settings::timer(&who, time, client, report).await?,
        Command::Settings { command } => crate::settings::run(command, client, report)?,
        Command::Group { command } => group::run(command, client, report).await?,
        Command::Device { command } => device::run(command, client, report).await?,
        Command::Join { link } => group::join(&link, client, report).await?,
        Command::Chat | Command::Completions { .. } | Command::Man { .. } => unreachable!("these need no profile opened here"),
    }
    Ok(())
}

/// Words joined by spaces; a single `-` is standard input, without the line end that editors and `echo` put last.
fn text_of(words: Vec<String>) -> Result<String, Failure> {
    if words != ["-"] {
        return Ok(words.join(" "));
    }
    let mut bytes = Vec::new();
    // One byte over the limit is enough to be told that it is too long, whatever is on the other end of the pipe.
    let most = u64::try_from(limits::TEXT).unwrap_or(u64::MAX).saturating_add(2);
    stdin().take(most).read_to_end(&mut bytes)?;
    let cut = bytes.len() > limits::TEXT + 1;
    let mut text = match String::from_utf8(bytes) {
        Ok(text) => text,
        // The limit may have cut a character in two.
        Err(error) if cut => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        Err(_) => return Err(Failure::InputNotText),
    };
    if text.ends_with('\n') && !cut {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}
