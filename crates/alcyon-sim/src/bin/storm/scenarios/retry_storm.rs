//! Everything is refused for ten minutes: how often does the real client ask?

use std::{collections::BTreeSet, thread, time::Duration};

use alcyon_sim::{
    liar::Lie,
    world::{Peer, World, check, settle, simulate},
};
use anyhow::{Context, Result, anyhow};

use crate::{outcome::Outcome, server::Field};

/// So long everything is refused, of the clients' time.
const REFUSED_FOR: Duration = Duration::from_secs(600);
/// Tries a message, at the most.
const MOST: f64 = 1.1;

pub async fn run(field: &Field<'_>) -> Result<Outcome> {
    let (people, messages) = field.size((10, 240), (2, 200));
    let mut outcome = Outcome::new(
        "retry-storm",
        format!(
            "{people} people with the real client each write {messages} messages, evenly over ten minutes in which the server answers every one with \
             *later, in a second*. Then it takes them. The client and the server are the real ones, in this process; time is simulated, so ten minutes take as long \
             as their computing."
        ),
    );
    let seed = field.seed;
    // Time that jumps needs a runtime, and so a thread, of its own.
    let waiting = thread::Builder::new().name("retry-storm".to_owned()).stack_size(16 << 20).spawn(move || {
        let mut seen = None;
        simulate(async {
            seen = Some(refuse(seed, people, messages).await?);
            Ok(())
        })?;
        seen.context("it came to its end")
    })?;
    let joined = tokio::task::spawn_blocking(move || waiting.join()).await?;
    let Seen { written, tries, delivered, too_many, back } = joined.map_err(|_| anyhow!("the people's thread has panicked"))??;
    #[allow(clippy::cast_precision_loss)] // counts
    let a_message = tries as f64 / written.max(1) as f64;
    outcome.at_most("tries a message while all are refused", Some(a_message), MOST, "");
    outcome.mark("messages that are read in the end", format!("{written}"), format!("{delivered}"), delivered == written);
    outcome.notes.push(format!(
        "{tries} tries for {written} messages; the person who tried most made {too_many} tries too many. After the server took messages again everything was read \
         within {back:.0} s."
    ));
    outcome.notes.push(
        "What is tried again is at most a tenth of what was answered before, three more to begin with, and one every two and a half to seven and a half minutes to \
         find out whether it goes again. Those few are many beside a single message and next to nothing beside hundreds: the mark is about the server's load, which \
         those who write much make."
            .to_owned(),
    );
    Ok(outcome)
}

struct Seen {
    written: usize,
    tries: u64,
    delivered: usize,
    /// More tries than messages, by the one who had most of them.
    too_many: u64,
    /// Seconds until all was read.
    back: f64,
}

async fn refuse(seed: u64, people: usize, messages: usize) -> Result<Seen> {
    let world = World::new(seed)?;
    let server = world.server("sea.example").await?;
    let mut pairs: Vec<(Peer, Peer)> = Vec::new();
    for number in 0..people {
        let writer = world.person(&format!("writer{number}"), &server).await?;
        let reader = world.person(&format!("reader{number}"), &server).await?;
        writer.knock(&reader, "hello").await?;
        reader.sync(None).await?;
        reader.accept_all().await?;
        settle(&[&writer, &reader]).await?;
        pairs.push((writer, reader));
    }
    let each = pairs.iter().map(|(writer, reader)| async move {
        let to = writer.conversation(reader)?;
        let before = writer.liar.told();
        writer.liar.tell(Lie::Overloaded);
        let begun = tokio::time::Instant::now();
        for number in 0..messages {
            let due = begun + REFUSED_FOR.mul_f64(number as f64 / messages as f64);
            // Whoever writes also listens, as the program does: what waits is tried when its time has come.
            writer.listen(due.saturating_duration_since(tokio::time::Instant::now())).await?;
            writer.send(to, &format!("message {number}"), None).await?;
        }
        writer.listen((begun + REFUSED_FOR).saturating_duration_since(tokio::time::Instant::now())).await?;
        let tries = writer.liar.told() - before;
        writer.liar.become_honest();
        anyhow::Ok(tries)
    });
    let tries: Vec<u64> = futures::future::try_join_all(each).await?;
    let opened = tokio::time::Instant::now();
    let all: Vec<&Peer> = pairs.iter().flat_map(|(writer, reader)| [writer, reader]).collect();
    settle(&all).await?;
    let back = opened.elapsed().as_secs_f64();
    let mut delivered = 0;
    for (writer, reader) in &pairs {
        check(writer, reader).await?;
        let texts: BTreeSet<String> = reader.history(reader.conversation(writer)?).await?.into_iter().map(|message| message.text).collect();
        delivered += (0..messages).filter(|number| texts.contains(&format!("message {number}"))).count();
    }
    let most = tries.iter().map(|tries| tries.saturating_sub(messages as u64)).max().unwrap_or(0);
    Ok(Seen { written: people * messages, tries: tries.iter().sum(), delivered, too_many: most, back })
}
