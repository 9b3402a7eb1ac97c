//! What is printed about files.

use std::{
    io::{self, Write},
    path::Path,
};

use alcyon_client::{AttachmentView, FileView, Handle, MessageId, TransferState, TransferView, TransferWay};
use serde::Serialize;

use super::{Report, content::FileLine};
use crate::{
    harmless::harmless_line,
    look::Look,
    text::{Language, Text, files::FileText},
};

impl<W: Write> Report<W> {
    pub(crate) fn file(&mut self, file: &FileView) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            id: String,
            from: Option<String>,
            #[serde(flatten)]
            file: FileLine<'a>,
        }
        let FileView { id, attachment, from, own, sent_at_ms } = file;
        let AttachmentView { name, size, .. } = attachment;
        if self.json {
            let from = from.as_ref().map(Handle::to_text);
            return self.object(&Line { id: id.to_text(), from, file: FileLine::of(attachment) });
        }
        let who = match from {
            _ if *own => self.look.language.say(Text::You),
            Some(handle) => handle.to_text(),
            None => "?".to_owned(),
        };
        let when = self.zone.date_and_clock(*sent_at_ms);
        let size = size_text(*size, self.look.language);
        self.line(&format!("[{when}] {who}: {} ({size})\n    id {}", harmless_line(name), id.to_text()))
    }

    pub(crate) fn no_files(&mut self) -> io::Result<()> {
        self.say_of_files(FileText::NoFiles)
    }

    pub(crate) fn no_transfers(&mut self) -> io::Result<()> {
        self.say_of_files(FileText::NoTransfers)
    }

    fn say_of_files(&mut self, text: FileText<'_>) -> io::Result<()> {
        if self.json { Ok(()) } else { self.line(&self.look.language.say_of_files(text)) }
    }

    pub(crate) fn saved(&mut self, id: MessageId, path: &Path, size: u64) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line {
            event: &'static str,
            id: String,
            path: String,
            size: u64,
        }
        let path = path.display().to_string();
        if self.json {
            return self.object(&Line { event: "saved", id: id.to_text(), path, size });
        }
        let size = size_text(size, self.look.language);
        self.line(&self.look.language.say_of_files(FileText::Saved { path: &harmless_line(&path), size: &size }))
    }

    pub(crate) fn transfer(&mut self, view: &TransferView) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            event: &'static str,
            id: String,
            conversation: String,
            name: &'a str,
            size: u64,
            way: &'static str,
            state: &'static str,
            done: u64,
            total: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'a str>,
        }
        let TransferView { id, conversation, name, size, way, state, done, total } = view;
        if !self.json {
            return self.line(&format!("{}\n    id {}", transfer_text(view, self.look), id.to_text()));
        }
        let (state, reason) = match state {
            TransferState::Going => ("going", None),
            TransferState::Paused => ("paused", None),
            TransferState::Failed { reason } => ("failed", Some(reason.as_str())),
            TransferState::Complete => ("complete", None),
            TransferState::Cancelled => ("cancelled", None),
        };
        let way = match way {
            TransferWay::Up => "up",
            TransferWay::Down => "down",
        };
        self.object(&Line {
            event: "transfer",
            id: id.to_text(),
            conversation: conversation.to_text(),
            name,
            size: *size,
            way,
            state,
            done: *done,
            total: *total,
            reason,
        })
    }
}

/// `↑ boat.jpg (4.2 MB): 50 %`
pub(crate) fn transfer_text(view: &TransferView, look: Look) -> String {
    let TransferView { name, size, way, state, done, total, .. } = view;
    let arrow = match (way, look.unicode) {
        (TransferWay::Up, true) => "↑",
        (TransferWay::Down, true) => "↓",
        (TransferWay::Up, false) => "^",
        (TransferWay::Down, false) => "v",
    };
    let percent = (done * 100).checked_div(*total).unwrap_or(100);
    let say = |text| look.language.say_of_files(text);
    let state = match state {
        TransferState::Going => format!("{percent} %"),
        TransferState::Paused => format!("{percent} %, {}", say(FileText::Paused)),
        TransferState::Failed { reason } => say(FileText::Failed { reason: &harmless_line(reason) }),
        TransferState::Complete => say(FileText::Complete),
        TransferState::Cancelled => say(FileText::Cancelled),
    };
    format!("{arrow} {} ({}): {state}", harmless_line(name), size_text(*size, look.language))
}

/// `4.2 MB`, in steps of a thousand, as disks and networks are sold.
pub(crate) fn size_text(bytes: u64, language: Language) -> String {
    let units = match language {
        Language::English => ["B", "kB", "MB", "GB"],
        Language::French => ["o", "ko", "Mo", "Go"],
    };
    let (mut unit, mut scale) = (0, 1);
    while unit + 1 < units.len() && bytes / scale >= 1000 {
        (unit, scale) = (unit + 1, scale * 1000);
    }
    if unit == 0 {
        return format!("{bytes} {}", units[0]);
    }
    let tenths = u64::try_from(u128::from(bytes) * 10 / u128::from(scale)).unwrap_or(u64::MAX);
    let point = if language == Language::French { ',' } else { '.' };
    format!("{}{point}{} {}", tenths / 10, tenths % 10, units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_the_largest_unit_that_fits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (4_250_000, "4.2 MB"),
            (4_294_967_296, "4.2 GB"),
            (5_000_000_000_000, "5000.0 GB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size_text(bytes, Language::English), text);
        }
        assert_eq!(size_text(1_500, Language::French), "1,5 ko");
    }
}
