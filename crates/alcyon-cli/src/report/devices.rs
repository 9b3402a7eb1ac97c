//! What is printed about the devices of the account.

use std::io::{self, Write};

use alcyon_client::{DeviceCode, DeviceId, DeviceToAdd, DeviceView, LinkNumber, Me};
use serde::Serialize;

use super::Report;
use crate::{harmless::harmless_line, moments::rfc3339, qr, text::devices::DeviceText};

/// An id as people tell devices apart by it.
fn short(device: DeviceId) -> String {
    device.to_text().chars().take(8).collect()
}

impl<W: Write> Report<W> {
    pub(crate) fn device_hint(&mut self, text: DeviceText<'_>) -> io::Result<()> {
        if self.json { Ok(()) } else { self.line(&self.look.language.say_of_devices(text)) }
    }

    pub(crate) fn device_code(&mut self, code: &DeviceCode) -> io::Result<()> {
        #[derive(Serialize)]
        struct Shown {
            event: &'static str,
            code: String,
        }
        let text = code.to_text();
        if self.json {
            return self.object(&Shown { event: "device-code", code: text });
        }
        self.line(&text)?;
        if self.look.unicode
            && let Some(rows) = qr::half_blocks(&text)
        {
            let (before, after) = if self.colours { ("\u{1b}[97;40m", "\u{1b}[0m") } else { ("", "") };
            for row in rows {
                self.line(&format!("    {before}{row}{after}"))?;
            }
        }
        self.device_hint(DeviceText::CodeAdvice)
    }

    pub(crate) fn link_number(&mut self, shown: &LinkNumber) -> io::Result<()> {
        #[derive(Serialize)]
        struct Number<'a> {
            event: &'static str,
            number: &'a str,
            handle: String,
            account: String,
        }
        let LinkNumber { number, handle, account } = shown;
        let handle = handle.to_text();
        if self.json {
            return self.object(&Number { event: "device-number", number, handle, account: account.to_text() });
        }
        self.device_hint(DeviceText::NumberIs { number, handle: &handle })
    }

    pub(crate) fn linked(&mut self, me: &Me) -> io::Result<()> {
        #[derive(Serialize)]
        struct Linked {
            event: &'static str,
            handle: String,
            account: String,
        }
        let handle = me.handle.to_text();
        if self.json {
            return self.object(&Linked { event: "device-linked", handle, account: me.account.to_text() });
        }
        self.device_hint(DeviceText::Linked { handle: &handle })
    }

    fn device_event(&mut self, event: &'static str, device: DeviceId, name: &str) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            event: &'static str,
            device: String,
            name: &'a str,
        }
        self.object(&Line { event, device: device.to_text(), name })
    }

    pub(crate) fn device_to_add(&mut self, asking: &DeviceToAdd) -> io::Result<()> {
        #[derive(Serialize)]
        struct Asking<'a> {
            event: &'static str,
            device: String,
            name: &'a str,
            number: &'a str,
        }
        let DeviceToAdd { name, device, number } = asking;
        if self.json {
            return self.object(&Asking { event: "device-number", device: device.to_text(), name, number });
        }
        self.device_hint(DeviceText::Asks { name: &harmless_line(name), number })
    }

    pub(crate) fn device_added(&mut self, added: &DeviceToAdd) -> io::Result<()> {
        if self.json {
            return self.device_event("device-added", added.device, &added.name);
        }
        self.device_hint(DeviceText::Added { name: &harmless_line(&added.name) })
    }

    pub(crate) fn device_refused(&mut self, refused: &DeviceToAdd) -> io::Result<()> {
        if self.json {
            return self.device_event("device-refused", refused.device, &refused.name);
        }
        self.device_hint(DeviceText::Refused { name: &harmless_line(&refused.name) })
    }

    pub(crate) fn device_named(&mut self, device: DeviceId, name: &str) -> io::Result<()> {
        if self.json {
            return self.device_event("device-named", device, name);
        }
        self.device_hint(DeviceText::Named { name: &harmless_line(name) })
    }

    pub(crate) fn device_gone(&mut self, device: DeviceId, name: &str) -> io::Result<()> {
        if self.json {
            return self.device_event("device-removed", device, name);
        }
        self.device_hint(DeviceText::Gone { name: &harmless_line(name) })
    }

    pub(crate) fn device_removed(&mut self) -> io::Result<()> {
        #[derive(Serialize)]
        struct Removed {
            event: &'static str,
        }
        if self.json {
            return self.object(&Removed { event: "this-device-removed" });
        }
        self.device_hint(DeviceText::Removed)
    }

    pub(crate) fn devices(&mut self, devices: &[DeviceView]) -> io::Result<()> {
        #[derive(Serialize)]
        struct Device<'a> {
            device: String,
            name: &'a str,
            added_at: Option<String>,
            this: bool,
        }
        for DeviceView { device, name, added_ms, this } in devices {
            let added = (*added_ms > 0).then_some(*added_ms);
            if self.json {
                self.object(&Device { device: device.to_text(), name, added_at: added.map(rfc3339), this: *this })?;
                continue;
            }
            let say = |text| self.look.language.say_of_devices(text);
            let name = if name.is_empty() { say(DeviceText::Unnamed) } else { harmless_line(name) };
            let mut notes: Vec<_> = this.then(|| say(DeviceText::This)).into_iter().collect();
            if let Some(at_ms) = added {
                let when = self.zone.date_and_clock(at_ms);
                notes.push(self.look.language.say_of_devices(DeviceText::Since { when: &when }));
            }
            let notes = if notes.is_empty() { String::new() } else { format!("  ({})", notes.join(", ")) };
            self.line(&format!("{}  {name}{notes}", short(*device)))?;
        }
        Ok(())
    }
}
