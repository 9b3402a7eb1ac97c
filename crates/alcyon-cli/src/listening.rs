//! What comes in: printed first, noted as shown after. A crash between the two shows a message twice rather than never.

use std::{collections::HashMap, io::Write, pin::pin};

use alcyon_client::{ConversationId, Event, Patience};
use alcyon_net::FolderRoom;
use tokio::sync::mpsc;

use crate::{
    called::title_of,
    commands::Native,
    device,
    failure::Failure,
    progress::with_progress,
    report::Report,
    text::{Language, Text},
};

/// Everything new, once.
pub(crate) async fn sync<W: Write>(client: &Native, report: &mut Report<W>) -> Result<(), Failure> {
    let synced = with_progress(report.look(), report.is_json(), Text::Fetching, client.sync()).await?;
    let mut titles = Titles(HashMap::new(), report.look().language);
    let mut shown = 0_usize;
    for event in &synced.events {
        // Of what happened meanwhile, connections coming and going are no news once it is over.
        if !matches!(event, Event::Connection(_)) {
            show(client, report, &mut titles, event)?;
            shown += 1;
        }
    }
    if shown == 0 && synced.unreachable == 0 {
        report.nothing_new()?;
    }
    report.still_queued(synced.queued, synced.next_try_in_ms)?;
    if synced.unreachable > 0 { Err(Failure::SomeUnreachable(synced.unreachable)) } else { Ok(()) }
}

/// Everything new, until SIGINT or SIGTERM.
pub(crate) async fn listen<W: Write>(client: &Native, room: &FolderRoom, report: &mut Report<W>) -> Result<(), Failure> {
    // Told before the first event, so that whoever starts this knows that signals end it cleanly.
    let mut interrupted = pin!(interrupted()?);
    client.me()?;
    report.listening()?;
    let (sender, mut events) = mpsc::unbounded_channel();
    let mut titles = Titles(HashMap::new(), report.look().language);
    // Printing happens outside of the client's own work: it may be slow, and it calls the client again.
    let mut listening = pin!(client.listen(|event| {
        let _ = sender.send(event);
    }));
    let mut carrying = pin!(client.carry_files(room, Patience::Endless, |_| ()));
    loop {
        tokio::select! {
            biased;
            () = &mut interrupted => return Ok(()),
            Some(event) = events.recv() => show(client, report, &mut titles, &event)?,
            ended = &mut carrying => return Ok(ended.map(|_| ())?),
            ended = &mut listening => {
                while let Ok(event) = events.try_recv() {
                    show(client, report, &mut titles, &event)?;
                }
                return Ok(ended?);
            }
        }
    }
}

fn show<W: Write>(client: &Native, report: &mut Report<W>, titles: &mut Titles, event: &Event) -> Result<(), Failure> {
    let who = titles.of(client, event)?;
    report.event(event, &who)?;
    if let Event::Message(message) = event {
        client.shown(message.conversation, message.id)?;
    }
    if let Event::Changed(changed) = event {
        client.shown(changed.message.conversation, changed.id)?;
    }
    Ok(())
}

/// What conversations are called, in a language.
struct Titles(HashMap<ConversationId, String>, Language);

impl Titles {
    fn of(&mut self, client: &Native, event: &Event) -> Result<String, Failure> {
        let conversation = match event {
            Event::Delivery(message) => message.conversation,
            Event::Accepted { conversation } | Event::Left { conversation } | Event::History { conversation } => *conversation,
            Event::Alarm(alarm) => match alarm.conversation {
                Some(conversation) => conversation,
                None => return Ok(String::new()),
            },
            _ => return Ok(String::new()),
        };
        if !self.0.contains_key(&conversation) {
            self.0 = device::conversations(client, self.1)?.into_iter().map(|one| (one.conversation, title_of(&one))).collect();
        }
        Ok(self.0.get(&conversation).cloned().unwrap_or_else(|| conversation.to_text()))
    }
}

/// Ready when somebody wants the program to end. The signals are caught from this call on.
pub(crate) fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    {
        Ok(async {
            let _ = tokio::signal::ctrl_c().await;
        })
    }
}
