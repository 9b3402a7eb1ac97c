//! `alcyon send --file`, `files`, `save` and `transfer`: files out and in.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, IsTerminal as _, Write, stderr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use alcyon_client::{ClientError, ConversationId, MessageId, Patience, TransferState, TransferView};
use alcyon_image::Pixels;
use alcyon_net::FolderRoom;
use clap::Subcommand;

use crate::{
    args::{Place, parse_message},
    attaching::{As, How, Prepared, prepare_all},
    commands::Native,
    failure::Failure,
    harmless::harmless_line,
    look::Look,
    profile,
    progress::with_progress,
    report::{Report, files::size_text},
    text::{Text, files::FileText},
};

#[derive(Debug, Subcommand)]
pub(crate) enum TransferCommand {
    /// List files on their way
    List,
    /// Stop one until it is resumed
    Pause {
        /// The id that `transfer list` shows
        #[arg(value_parser = parse_message)]
        id: MessageId,
    },
    /// Go on with one that was paused or has failed
    Resume {
        /// The id that `transfer list` shows
        #[arg(value_parser = parse_message)]
        id: MessageId,
    },
    /// Forget one: it is not sent, or not fetched
    Cancel {
        /// The id that `transfer list` shows
        #[arg(value_parser = parse_message)]
        id: MessageId,
    },
}

/// Below the profile's directory.
const ROOM: &str = "files";

/// Where files on their way lie.
pub(crate) fn room(place: &Place) -> FolderRoom {
    FolderRoom::new(&place.profile.clone().unwrap_or_else(profile::default_directory).join(ROOM))
}

/// Sends files, each a message of its own.
pub(crate) async fn send<W: Write>(
    conversation: ConversationId,
    files: Vec<Prepared>,
    client: &Native,
    room: &FolderRoom,
    report: &mut Report<W>,
) -> Result<(), Failure> {
    let (look, json) = (report.look(), report.is_json());
    let mut ids = Vec::new();
    for file in &files {
        ids.push(with_progress(look, json, Text::Sending, file.attach(conversation, client, room)).await?.id);
    }
    carry(client, room, report).await?;
    for id in ids {
        report.outcome(&client.deliver_file(id).await?)?;
    }
    Ok(())
}

/// Goes on with what is on its way, and says what has failed.
pub(crate) async fn carry<W: Write>(client: &Native, room: &FolderRoom, report: &mut Report<W>) -> Result<(), Failure> {
    let mut bar = Bar::new(report.look(), report.is_json());
    client.carry_files(room, Patience::Short, |view| bar.show(view)).await?;
    Ok(())
}

pub(crate) fn list<W: Write>(who: &str, client: &Native, report: &mut Report<W>) -> Result<(), Failure> {
    let files = client.files(client.find(who)?)?;
    if files.is_empty() {
        report.no_files()?;
    }
    for file in &files {
        report.file(file)?;
    }
    Ok(())
}

/// Fetches a file if it is not here, and writes it. Nothing that is there is written over, unless that is wanted.
pub(crate) async fn save<W: Write>(
    id: MessageId,
    path: &Path,
    force: bool,
    client: &Native,
    room: &FolderRoom,
    report: &mut Report<W>,
) -> Result<(), Failure> {
    let view = client.fetch_file(id)?;
    let path = if path.is_dir() { path.join(&view.name) } else { path.to_owned() };
    if !force && fs::symlink_metadata(&path).is_ok() {
        return Err(Failure::Exists(path.display().to_string()));
    }
    carry(client, room, report).await?;
    let (path, size) = save_fetched(id, &path, force, client, room).await?;
    report.saved(id, &path, size)?;
    Ok(())
}

/// Takes a file in to be sent, and returns its name.
pub(crate) async fn attach(conversation: ConversationId, path: &Path, client: &Native, room: &FolderRoom) -> Result<String, Failure> {
    let how = How { is: As::File, keep_metadata: false, view_once: false };
    let mut prepared = prepare_all(vec![path.to_owned()], how).await?;
    let Some(prepared) = prepared.pop() else { return Err(Failure::NoFile(String::new())) };
    Ok(prepared.attach(conversation, client, room).await?.name)
}

/// Larger ones are not taken into memory to be shown.
const SHOWN: u64 = 64 * 1024 * 1024;
/// What a screen has use for, pixels an edge.
const SCREEN: u32 = 1600;

/// Fetches an image and decodes it for the screen: its name, and its pixels. One to be seen once is gone then.
pub(crate) async fn see(id: MessageId, client: &Native, room: &FolderRoom) -> Result<(String, Pixels), Failure> {
    let view = client.fetch_file(id)?;
    let name = view.name;
    let none = |name: &str| Failure::NoPicture { path: name.to_owned(), limit: "that is no image that can be shown here" };
    if view.size > SHOWN {
        client.cancel_transfer(id, room)?;
        return Err(none(&name));
    }
    client.settled(id).await?;
    is_here(id, client, room)?;
    let mut bytes = Vec::new();
    client.save_file(id, room, &mut bytes).await?;
    let decode = move || {
        let look = alcyon_image::Look::at(io::Cursor::new(&bytes)).ok().flatten()?;
        Pixels::of_image(&look, io::Cursor::new(&bytes), SCREEN).ok()
    };
    let pixels = tokio::task::spawn_blocking(decode).await.ok().flatten().ok_or_else(|| none(&name))?;
    client.drop_fetched(id, room)?;
    Ok((name, pixels))
}

/// A fetched file, or why it is none.
fn is_here(id: MessageId, client: &Native, room: &FolderRoom) -> Result<TransferView, Failure> {
    let view = client.transfers()?.into_iter().find(|view| view.id == id).ok_or(ClientError::NotFetched)?;
    match &view.state {
        TransferState::Complete => Ok(view),
        TransferState::Failed { reason } => {
            // The next call tries anew.
            client.cancel_transfer(id, room)?;
            Err(Failure::NotCarried(reason.clone()))
        }
        _ => Err(Failure::SomeUnreachable(1)),
    }
}

/// Writes a file that was fetched; where, and how many bytes.
pub(crate) async fn save_fetched(
    id: MessageId,
    path: &Path,
    force: bool,
    client: &Native,
    room: &FolderRoom,
) -> Result<(PathBuf, u64), Failure> {
    let view = is_here(id, client, room)?;
    let path = if path.is_dir() { path.join(&view.name) } else { path.to_owned() };
    let saved = write_whole(&path, force, async |file| Ok(client.save_file(id, room, file).await?)).await?;
    client.drop_fetched(id, room)?;
    Ok((path, saved.attachment.size))
}

/// Writes a file under another name, and gives it its own when it is whole and on the disk.
async fn write_whole<T>(
    path: &Path,
    force: bool,
    write: impl AsyncFnOnce(&mut BufWriter<File>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let failed = |error| Failure::File { path: path.display().to_string(), error };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| Failure::Io(io::ErrorKind::Other.into()))?;
    let unfinished = folder.join(format!(".alcyon-{}.part", data_encoding::HEXLOWER.encode(&random)));
    let file = OpenOptions::new().create_new(true).write(true).open(&unfinished).map_err(failed)?;
    let mut file = BufWriter::new(file);
    let written = write(&mut file).await.and_then(|written| {
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        if !force {
            // Takes the name, if nobody has taken it meanwhile.
            OpenOptions::new().create_new(true).write(true).open(path).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Failure::Exists(path.display().to_string()),
                _ => failed(error),
            })?;
        }
        fs::rename(&unfinished, path).map_err(failed)?;
        Ok(written)
    });
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

pub(crate) async fn transfer<W: Write>(
    command: TransferCommand,
    client: &Native,
    room: &FolderRoom,
    report: &mut Report<W>,
) -> Result<(), Failure> {
    match command {
        TransferCommand::List => {
            let transfers = client.transfers()?;
            if transfers.is_empty() {
                report.no_transfers()?;
            }
            for view in &transfers {
                report.transfer(view)?;
            }
        }
        TransferCommand::Pause { id } => report.transfer(&client.pause_transfer(id)?)?,
        TransferCommand::Cancel { id } => report.transfer(&client.cancel_transfer(id, room)?)?,
        TransferCommand::Resume { id } => {
            client.resume_transfer(id)?;
            carry(client, room, report).await?;
            match client.transfers()?.into_iter().find(|view| view.id == id) {
                Some(view) => report.transfer(&view)?,
                // An upload that is over has become a message.
                None => report.outcome(&client.deliver_file(id).await?)?,
            }
        }
    }
    Ok(())
}

/// A bar on standard error, where people look at it.
struct Bar {
    look: Look,
    shown: bool,
    on: bool,
    began: Instant,
    first: Option<(MessageId, u64)>,
    drawn: Option<Instant>,
}

const WIDTH: u64 = 24;
const REDRAW: Duration = Duration::from_millis(100);

impl Bar {
    fn new(look: Look, json: bool) -> Self {
        Self { look, shown: false, on: !json && stderr().is_terminal(), began: Instant::now(), first: None, drawn: None }
    }

    fn show(&mut self, view: &TransferView) {
        let over = view.done >= view.total;
        if !self.on || (!over && self.drawn.is_some_and(|drawn| drawn.elapsed() < REDRAW)) {
            return;
        }
        if self.first.is_none_or(|(id, _)| id != view.id) {
            self.first = Some((view.id, view.done));
            self.began = Instant::now();
        }
        let line = bar_line(view, self.first.map_or(0, |(_, done)| done), self.began.elapsed(), self.look);
        self.drawn = Some(Instant::now());
        self.shown = true;
        let _ = write!(stderr(), "\r\u{1b}[K{line}");
        let _ = stderr().flush();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(stderr(), "\r\u{1b}[K");
        }
    }
}

/// How far something is, as a bar.
pub(crate) fn bar(done: u64, total: u64, look: Look) -> String {
    let (full, empty) = if look.unicode { ('█', '░') } else { ('#', '-') };
    let filled = (done * WIDTH).checked_div(total).unwrap_or(WIDTH).min(WIDTH);
    (0..WIDTH).map(|at| if at < filled { full } else { empty }).collect()
}

/// `boat.jpg  ████████░░░░░░░░  50 %  2.1 of 4.2 MB  3.0 MB/s`
pub(crate) fn bar_line(view: &TransferView, from: u64, in_time: Duration, look: Look) -> String {
    let TransferView { name, done, total, .. } = view;
    let bar = bar(*done, *total, look);
    let percent = (done * 100).checked_div(*total).unwrap_or(100);
    let speed = u64::try_from(u128::from(done.saturating_sub(from)) * 1000 / in_time.as_millis().max(1)).unwrap_or(u64::MAX);
    let language = look.language;
    let parts = language.say_of_files(FileText::Of { done: &size_text(*done, language), total: &size_text(*total, language) });
    format!("{}  {bar}  {percent} %  {parts}  {}/s", harmless_line(name), size_text(speed, language))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn write(path: &Path, force: bool, text: Option<&str>) -> Result<(), Failure> {
        let fill = async |file: &mut BufWriter<File>| match text {
            Some(text) => Ok(file.write_all(text.as_bytes())?),
            None => Err(Failure::NotCarried("no".to_owned())),
        };
        crate::commands::block_on(write_whole(path, force, fill))
    }

    #[test]
    fn nothing_is_written_over_unless_that_is_wanted_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write(&path, false, Some("one")).unwrap();
        assert!(matches!(write(&path, false, Some("two")), Err(Failure::Exists(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        write(&path, true, Some("three")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert!(matches!(write(&path, true, None), Err(Failure::NotCarried(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "three", "a file that is not whole replaces none");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
