//! What lies above the chat for a while.

use alcyon_client::{GroupView, Handle, SafetyNumberView};
use alcyon_image::Pixels;
use ratatui::layout::Rect;
use zeroize::Zeroizing;

use super::{composer::Composer, finding::Finding, slash::TypedLink, state::Effect};
use crate::{look::Look, text::Text};

/// One at a time.
#[derive(Debug)]
pub(super) enum Dialog {
    /// No account yet.
    Welcome(Form),
    /// The recovery words, this once.
    Words(Words),
    Help {
        scroll: u16,
    },
    New(Form),
    Block {
        handle: Handle,
    },
    Safety {
        who: String,
        number: Option<SafetyNumberView>,
    },
    Problem(String),
    /// Something to be read, that is longer than a line.
    Told(String),
    /// A line for a command, where no message is being written.
    Command {
        line: Composer,
        problem: Option<String>,
    },
    /// A command that can't be taken back.
    Confirm {
        question: String,
        /// Done if the answer is yes.
        effect: Box<Effect>,
    },
    /// The same about something that has to be read first, and may be longer than the screen.
    Read {
        lines: Vec<String>,
        scroll: u16,
        effect: Box<Effect>,
    },
    /// Members, open doors and settings of a group, once they are read.
    Group {
        view: Option<Box<GroupView>>,
        scroll: u16,
    },
    /// Looking for messages.
    Search(Finding),
    /// An image that was fetched, and where on the screen it lies.
    Image {
        name: String,
        pixels: Pixels,
        place: Option<Rect>,
    },
    Links {
        links: Vec<TypedLink>,
        scroll: u16,
    },
}

impl Dialog {
    /// How far it is scrolled, where it can be longer than the screen.
    pub(super) fn scroll(&mut self) -> Option<&mut u16> {
        match self {
            Self::Help { scroll } | Self::Group { scroll, .. } | Self::Links { scroll, .. } | Self::Read { scroll, .. } => Some(scroll),
            _ => None,
        }
    }
}

/// Two fields, and what is wrong with them.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) fields: [Composer; 2],
    /// Which one is being written in.
    pub(super) at: usize,
    pub(super) problem: Option<String>,
    /// Under way.
    pub(super) busy: bool,
}

/// Shown until somebody says twice that they are written down.
pub(super) struct Words {
    pub(super) handle: String,
    pub(super) words: Zeroizing<String>,
    pub(super) sure: bool,
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Words(..)")
    }
}

impl Form {
    pub(super) fn field(&mut self) -> Option<&mut Composer> {
        self.fields.get_mut(self.at)
    }

    /// A server and a name. The effect, if both make sense; else the first that does not is pointed at.
    pub(super) fn submit_account(&mut self, look: Look) -> Vec<Effect> {
        let [server, name] = &self.fields;
        match (with_scheme(server.text().trim()).parse(), name.text().trim().parse()) {
            (Err(_), _) => self.reject(0, look.language.say(Text::ServerMalformed)),
            (_, Err(_)) => self.reject(1, look.language.say(Text::NameMalformed)),
            (Ok(server), Ok(name)) => self.accept(Effect::Register { name, server }),
        }
    }

    /// A handle and the first words.
    pub(super) fn submit_conversation(&mut self, look: Look) -> Vec<Effect> {
        let [handle, text] = &self.fields;
        match Handle::parse_with_account(handle.text().trim()) {
            Err(_) => self.reject(0, look.language.say(Text::HandleMalformed)),
            Ok(_) if text.is_blank() => self.reject(1, look.language.say(Text::TextMissing)),
            Ok((handle, account)) => {
                let text = text.text().to_owned();
                self.accept(Effect::Start { handle, account, text })
            }
        }
    }

    fn reject(&mut self, at: usize, problem: String) -> Vec<Effect> {
        (self.at, self.problem) = (at, Some(problem));
        Vec::new()
    }

    fn accept(&mut self, effect: Effect) -> Vec<Effect> {
        (self.busy, self.problem) = (true, None);
        vec![effect]
    }

    /// It did not work; everything stays as it was written.
    pub(super) fn failed(&mut self, problem: String) {
        (self.busy, self.problem) = (false, Some(problem));
    }
}

/// `chat.example.org` means https, an address of this machine http.
fn with_scheme(server: &str) -> String {
    if server.contains("://") {
        return server.to_owned();
    }
    alcyon_client::ServerUrl::of_handle_server(server).map_or_else(|_| server.to_owned(), |url| url.to_text())
}
