//! The terminal, borrowed: given back as it was however the program ends.

use std::{
    io::{self, Stdout, Write as _, stdout},
    panic,
    sync::Once,
};

use alcyon_image::Pixels;
use crossterm::{
    cursor::{MoveTo, Show},
    event::{DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange, EnableMouseCapture},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, window_size},
};
use ratatui::{Terminal, backend::CrosstermBackend, layout::Rect};

use super::{dialog::Dialog, draw::draw, graphics::Graphics, state::Chat};

/// The alternate screen in raw mode, with mouse, paste and focus reported. Dropping it gives the terminal back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    graphics: Graphics,
    /// Where an image lies that the terminal itself has drawn.
    drawn: Option<Rect>,
}

impl Screen {
    pub(super) fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            // The message of a panic would be lost on the alternate screen.
            panic::set_hook(Box::new(move |what| {
                restore();
                before(what);
            }));
        });
        enable_raw_mode()?;
        let entered = execute!(stdout(), EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste, EnableFocusChange)
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        match entered {
            Ok(terminal) => Ok(Self { terminal, graphics: Graphics::of_environment(), drawn: None }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    pub(super) fn draw(&mut self, chat: &mut Chat) -> io::Result<()> {
        self.terminal.draw(|frame| draw(chat, frame))?;
        if image(chat).map(|(_, place)| place) == self.drawn {
            return Ok(());
        }
        let mut out = stdout();
        if self.drawn.take().is_some() {
            // What was below is drawn anew, and with that the image is gone.
            out.write_all(self.graphics.clear().as_bytes())?;
            self.terminal.clear()?;
            self.terminal.draw(|frame| draw(chat, frame))?;
        }
        if let Some((pixels, place)) = image(chat) {
            execute!(out, MoveTo(place.x, place.y))?;
            out.write_all(self.graphics.show(pixels, place, cell_size()).as_bytes())?;
            out.flush()?;
            self.drawn = Some(place);
        }
        Ok(())
    }

    pub(super) fn graphics(&self) -> Graphics {
        self.graphics
    }
}

/// An image that is the terminal's to draw, and where.
fn image(chat: &Chat) -> Option<(&Pixels, Rect)> {
    match &chat.dialog {
        Some(Dialog::Image { pixels, place: Some(place), .. }) => Some((pixels, *place)),
        _ => None,
    }
}

/// Pixels of a cell, as the terminal says; where it does not, what is common.
fn cell_size() -> (u16, u16) {
    match window_size() {
        Ok(size) if size.columns > 0 && size.rows > 0 && size.width >= size.columns && size.height >= size.rows => {
            (size.width / size.columns, size.height / size.rows)
        }
        _ => (10, 20),
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// As far as it goes: a terminal that is gone needs nothing any more.
fn restore() {
    let _ = execute!(stdout(), DisableFocusChange, DisableBracketedPaste, DisableMouseCapture, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}
