//! Getting in where many want to: standing in line, and working where that is asked.

use std::time::Duration;

use alcyon_store::DeviceNoteKind;
use alcyon_wire::{HandleName, Seat};
use data_encoding::BASE64URL_NOPAD;

use crate::{
    Client, ClientError, Clock, Transport,
    directory::{self, Challenge, CodeAnswer, LineAnswer, Proofs, ServerInfo, ShownCode, ShownWork, SignUpRefused},
    local::Local,
    random::random,
    toil::Toil,
};

/// Where one stands in the line of newcomers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InLine {
    /// People before this one, and itself.
    pub place: u64,
    /// People in line.
    pub waiting: u64,
    /// Milliseconds until its turn, as far as the server knows.
    pub wait_ms: u64,
}

/// Whoever signs up, while it goes on.
pub trait Newcomer {
    /// Told each time the server has said where one stands. Whether to wait on; if not, the place is kept for the next time.
    fn in_line(&mut self, line: InLine) -> bool;

    /// Told now and then while this device works because the server wants it; never where that is quickly done.
    fn working(&mut self, _: Toil) {}

    /// An invite, if it has one.
    fn invite(&mut self) -> Option<String> {
        None
    }

    /// An address to send a code to, if it wants that.
    fn address(&mut self, _: CodeWay) -> Option<String> {
        None
    }

    /// The code that came, if it is there. `again`: the last one was wrong.
    fn code(&mut self, _: CodeWay, _to: &str, _again: bool) -> Option<String> {
        None
    }
}

/// How a code comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeWay {
    /// By e-mail.
    Email,
    /// By SMS or voice.
    Phone,
}

impl CodeWay {
    fn word(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }
}

/// Waits, and asks for nothing.
pub(crate) struct Patient;

impl Newcomer for Patient {
    fn in_line(&mut self, _: InLine) -> bool {
        true
    }
}

/// How long a server that is away while one stands in line is left alone, at the most.
const AWAY_MS: u64 = 60_000;
/// Times that one may be wrong about what is to be shown.
const WRONG: usize = 4;
/// Times that a server may change its mind without a wait in between.
const TURNS: usize = 8;

impl<T: Transport, C: Clock> Client<T, C> {
    /// Signs up, through the line if there is one.
    pub(crate) async fn sign_up(
        &self,
        local: &Local,
        name: &HandleName,
        seats: &[Seat],
        info: &ServerInfo,
        newcomer: &mut impl Newcomer,
    ) -> Result<(), ClientError> {
        // The server checks the time of the signature; in line that moves on.
        let (began_ms, mut turns) = (self.clock.now_ms(), 0);
        let mut away_ms = 1_000;
        let (mut proofs, mut shown) = (Proofs::default(), 0);
        loop {
            let ticket = self.ticket()?;
            let time_ms = info.time_ms.saturating_add(self.clock.now_ms().saturating_sub(began_ms));
            let step = match directory::sign_up(&self.transport, local, name, seats, time_ms, ticket.as_deref(), &proofs).await {
                Ok(()) => return Ok(()),
                // An earlier answer may have been lost on its way.
                Err(SignUpRefused::Line { .. } | SignUpRefused::Early { .. }) if self.has_signed_up(local).await => return Ok(()),
                Err(SignUpRefused::Line { after_ms }) => self.stand_in_line(local, after_ms, newcomer).await,
                Err(SignUpRefused::Early { after_ms }) => self.stand_in_line(local, after_ms, newcomer).await,
                Err(SignUpRefused::Proof { error, .. }) if shown >= WRONG => Err(error),
                Err(SignUpRefused::Proof { wrong, .. }) => {
                    shown += 1;
                    proofs = self.show(local, newcomer, wrong).await?;
                    Ok(0)
                }
                Err(SignUpRefused::WrongTicket) if turns < TURNS => {
                    self.core.store.transaction(|tx| tx.remove_device_note(DeviceNoteKind::Ticket, &[]))?;
                    Ok(0)
                }
                Err(SignUpRefused::WrongTicket) => Err(ClientError::Unbelievable("a ticket that is given and not taken")),
                Err(SignUpRefused::Other(error)) => Err(error),
            };
            let wait_ms = match step {
                Ok(wait_ms) => {
                    away_ms = 1_000;
                    wait_ms
                }
                // Who stands in line does not lose heart because the server is away for a while.
                Err(ClientError::Transport(_)) if self.ticket()?.is_some() => {
                    away_ms = (away_ms * 2).min(AWAY_MS);
                    u64::from_le_bytes(random()) % away_ms
                }
                Err(error) => return Err(error),
            };
            if wait_ms == 0 {
                turns += 1;
                if turns > TURNS {
                    return Err(ClientError::Unbelievable("a server that says come in and lets nobody in"));
                }
            } else {
                turns = 0;
                self.clock.sleep(Duration::from_millis(wait_ms)).await;
            }
        }
    }

    /// Gets or looks after a place in the line. How long to wait before trying to come in, 0: at once.
    async fn stand_in_line(&self, local: &Local, after_ms: u64, newcomer: &mut impl Newcomer) -> Result<u64, ClientError> {
        let mut solved: Option<(String, u64)> = None;
        for _ in 0..TURNS {
            let ticket = self.ticket()?;
            let work = solved.as_ref().map(|(challenge, nonce)| (challenge.as_str(), *nonce));
            match directory::ask_for_ticket(&self.transport, &local.server, local.account, ticket.as_deref(), work).await? {
                // It has just become free; whoever waits there already comes first.
                LineAnswer::Open | LineAnswer::Line => return Ok(after_ms.max(1)),
                LineAnswer::Work { challenge, bits } => {
                    let nonce = self.work(&challenge, bits, |toil| newcomer.working(toil)).await?;
                    solved = Some((challenge, nonce));
                }
                LineAnswer::Ready { ticket } => {
                    self.keep_ticket(ticket)?;
                    return Ok(0);
                }
                LineAnswer::Wait { place, wait_ms, ask_again_ms, waiting, ticket } => {
                    self.keep_ticket(ticket)?;
                    if !newcomer.in_line(InLine { place, waiting, wait_ms }) {
                        return Err(ClientError::InLine { place, wait_ms });
                    }
                    return Ok(ask_again_ms.max(1));
                }
            }
        }
        Err(ClientError::Unbelievable("work that is asked for again and again"))
    }

    /// Gathers what is to be shown, for the first way in that this newcomer can go.
    async fn show(&self, local: &Local, newcomer: &mut impl Newcomer, again: bool) -> Result<Proofs, ClientError> {
        let ways = directory::ways_in(&self.transport, &local.server).await?;
        'ways: for way in &ways {
            let mut proofs = Proofs::default();
            // What needs nobody comes last: it may be for nothing.
            for proof in way.iter().filter(|proof| *proof != "work") {
                match proof.as_str() {
                    "invite" => proofs.invite = newcomer.invite(),
                    "email" => proofs.email = self.show_code(local, newcomer, CodeWay::Email, again).await?,
                    "phone" => proofs.phone = self.show_code(local, newcomer, CodeWay::Phone, again).await?,
                    // A newer server's.
                    _ => continue 'ways,
                }
                let has = match proof.as_str() {
                    "invite" => proofs.invite.is_some(),
                    "email" => proofs.email.is_some(),
                    _ => proofs.phone.is_some(),
                };
                if !has {
                    continue 'ways;
                }
            }
            if way.iter().any(|proof| proof == "work") {
                let Challenge { challenge, bits } = directory::sign_up_challenge(&self.transport, &local.server, local.account).await?;
                let nonce = self.work(&challenge, bits, |toil| newcomer.working(toil)).await?;
                let nonce = BASE64URL_NOPAD.encode(&nonce.to_be_bytes());
                proofs.work = Some(ShownWork { challenge, nonce });
            }
            return Ok(proofs);
        }
        let ways = ways.iter().map(|way| way.join(" + ")).collect::<Vec<_>>().join(", or ");
        Err(ClientError::ProofNeeded { ways })
    }

    /// A code that was sent, now or before; none if the newcomer wants none.
    async fn show_code(
        &self,
        local: &Local,
        newcomer: &mut impl Newcomer,
        way: CodeWay,
        again: bool,
    ) -> Result<Option<ShownCode>, ClientError> {
        let about = way.word().as_bytes();
        let note = self.core.store.transaction(|tx| tx.device_note(DeviceNoteKind::Ticket, about))?;
        let before: Option<ShownCode> = note.and_then(|note| serde_json::from_slice(&note).ok());
        let to = match newcomer.address(way) {
            Some(to) => to,
            // Whoever comes back with a code need not say again where it went.
            None => match &before {
                Some(before) => before.to.clone(),
                None => return Ok(None),
            },
        };
        if let Some(before) = before.filter(|before| before.to == to)
            && let Some(code) = newcomer.code(way, &to, again)
        {
            return Ok(Some(ShownCode { code: Some(code), ..before }));
        }
        let shown = match directory::ask_for_code(&self.transport, &local.server, local.account, way.word(), &to).await? {
            CodeAnswer::Sent { sent } => ShownCode { to, sent, code: None },
            CodeAnswer::Excused { sent } => return Ok(Some(ShownCode { to, sent, code: None })),
        };
        let note = serde_json::to_vec(&shown).expect("plain structs of strings always become JSON");
        self.core.store.transaction(|tx| tx.put_device_note(DeviceNoteKind::Ticket, about, &note))?;
        match newcomer.code(way, &shown.to, false) {
            Some(code) => Ok(Some(ShownCode { code: Some(code), ..shown })),
            None => Err(ClientError::CodeSent { to: shown.to }),
        }
    }

    /// Whether the server has this very account already.
    async fn has_signed_up(&self, local: &Local) -> bool {
        let known = directory::manifest_of_account(&self.transport, &local.server, local.account).await;
        known.is_ok_and(|known| known.to_bytes() == local.manifest.to_bytes() && known.names(&local.handle))
    }

    fn ticket(&self) -> Result<Option<String>, ClientError> {
        let note = self.core.store.transaction(|tx| tx.device_note(DeviceNoteKind::Ticket, &[]))?;
        Ok(note.and_then(|note| String::from_utf8(note).ok()))
    }

    fn keep_ticket(&self, ticket: Option<String>) -> Result<(), ClientError> {
        let Some(ticket) = ticket else { return Ok(()) };
        Ok(self.core.store.transaction(|tx| tx.put_device_note(DeviceNoteKind::Ticket, &[], ticket.as_bytes()))?)
    }
}
