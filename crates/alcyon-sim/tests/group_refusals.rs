//! What is refused in groups: each time with an error that says why, and with nothing changed for anybody.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use alcyon_client::{
    ActOutcome, ClientError, ConversationId, Delivery, GroupPermission, GroupView, JoinLink, JoinOutcome, MessageId, OpenedLink, Position,
};
use alcyon_sim::{
    fault::{Fault, FaultRates},
    world::{Peer, World, settle, simulate},
};
use alcyon_store::{RequestRecord, RequestState, Store, StoreKey};
use alcyon_wire::{ServerUrl, proto};
use anyhow::{Context, bail, ensure};
use data_encoding::BASE64URL_NOPAD;
use prost::Message as _;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Ann's group with Ben and Eve in it; Zoe is outside.
struct Cast {
    #[allow(dead_code)] // the servers live in it
    world: World,
    ann: Peer,
    ben: Peer,
    eve: Peer,
    zoe: Peer,
    group: ConversationId,
}

/// What a member sees of the group.
type Seen = (GroupView, Vec<(MessageId, Option<Position>)>);

impl Cast {
    async fn new() -> anyhow::Result<Self> {
        let world = World::new(1)?;
        let sea: ServerUrl = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        let eve = world.person("eve", &sea).await?;
        let zoe = world.person("zoe", &sea).await?;
        let group = ann.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
        let cast = Self { world, ann, ben, eve, zoe, group };
        for other in [&cast.ben, &cast.eve] {
            cast.invite(other).await?;
            other.sync(None).await?;
            other.with(async |client| Ok(client.accept(group).await?)).await?;
            pause().await;
        }
        cast.ann.send(group, "welcome", None).await?;
        cast.rest().await?;
        Ok(cast)
    }

    fn members(&self) -> [&Peer; 3] {
        [&self.ann, &self.ben, &self.eve]
    }

    async fn invite(&self, other: &Peer) -> anyhow::Result<()> {
        let invited = self.ann.with(async |client| Ok(client.invite(self.group, &[(other.handle.clone(), None)]).await?)).await?;
        ensure!(invited == ActOutcome::Done, "invited");
        Ok(())
    }

    async fn rest(&self) -> anyhow::Result<()> {
        pause().await;
        settle(&self.members()).await
    }

    /// What the members see: all the same group.
    async fn seen(&self) -> anyhow::Result<Vec<Seen>> {
        self.rest().await?;
        let mut seen = Vec::new();
        for member in self.members() {
            let view = member.with(async |client| Ok(client.group(self.group)?)).await.context(member.handle.to_text())?;
            let history = member.history(self.group).await?;
            ensure!(member.alarms().is_empty(), "{}: {:?}", member.handle.to_text(), member.alarms());
            seen.push((view, history.into_iter().map(|message| (message.id, message.position)).collect()));
        }
        ensure!(seen.windows(2).all(|pair| pair[0].0.epoch == pair[1].0.epoch), "one epoch");
        Ok(seen)
    }

    /// Nothing is other than before.
    async fn unchanged(&self, before: &[Seen], what: &str) -> anyhow::Result<()> {
        let after = self.seen().await?;
        ensure!(after == before, "{what} changed something:\n{before:?}\n{after:?}");
        Ok(())
    }

    /// The group is alive: what a member writes reaches the others.
    async fn alive(&self) -> anyhow::Result<()> {
        self.ben.send(self.group, "still here", None).await?;
        self.rest().await?;
        for member in self.members() {
            let history = member.history(self.group).await?;
            let last = history.into_iter().rfind(|message| message.position.is_some()).context("a message")?;
            ensure!(last.text == "still here", "{}: {last:?}", member.handle.to_text());
        }
        Ok(())
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

/// The client's own word on why.
fn why<T: std::fmt::Debug>(result: anyhow::Result<T>) -> anyhow::Result<ClientError> {
    match result {
        Ok(done) => bail!("it was allowed: {done:?}"),
        Err(error) => error.downcast::<ClientError>(),
    }
}

/// Refused, with a word for machines and words for people.
fn refused<T: std::fmt::Debug>(result: anyhow::Result<T>, code: &str, words: &str) -> anyhow::Result<()> {
    let error = why(result)?;
    ensure!(error.code() == code && error.to_string().contains(words), "expected {code}: {words}; got {}: {error}", error.code());
    Ok(())
}

fn store(peer: &Peer) -> anyhow::Result<Store> {
    peer.close();
    Ok(Store::open(peer.folder(), &StoreKey::from([7; 32]))?)
}

/// The invite that waits in somebody's profile.
fn invite_of(peer: &Peer) -> anyhow::Result<RequestRecord> {
    let found = store(peer)?.transaction(|tx| tx.open_requests())?;
    peer.open()?;
    found.into_iter().next().context("an invite")
}

/// Puts an invite into somebody's profile, as if it had come.
fn put_invite(peer: &Peer, record: &RequestRecord) -> anyhow::Result<()> {
    store(peer)?.transaction(|tx| tx.put_request(&RequestRecord { state: RequestState::Open, ..record.clone() }))?;
    peer.open()
}

async fn accept(peer: &Peer, group: ConversationId) -> anyhow::Result<ConversationId> {
    peer.with(async |client| Ok(client.accept(group).await?)).await
}

async fn join(peer: &Peer, link: &JoinLink) -> anyhow::Result<JoinOutcome> {
    peer.with(async |client| Ok(client.join(link).await?)).await
}

/// Whoever was refused is not in, and nothing more is tried in their name.
async fn outside(peer: &Peer, group: ConversationId) -> anyhow::Result<()> {
    pause().await;
    peer.sync(None).await?;
    refused(peer.with(async |client| Ok(client.group(group)?)).await, "left", "over")?;
    refused(peer.send(group, "let me in", None).await, "left", "over")
}

#[test]
fn each_act_without_the_right_names_its_rule_and_changes_nothing() {
    simulate(async {
        let cast = Cast::new().await?;
        let Cast { ann, ben, eve, zoe, group, .. } = &cast;
        let group = *group;
        ann.with(async |client| Ok(client.open_link(group, true).await?)).await?;
        let before = cast.seen().await?;
        let eve_name = eve.handle.to_text();
        let by = async |work: anyhow::Result<ActOutcome>, rule: &str| refused(work, "not-allowed", rule);
        by(ben.with(async |client| Ok(client.invite(group, &[(zoe.handle.clone(), None)]).await?)).await, "rule 10").await?;
        refused(ben.with(async |client| Ok(client.open_link(group, false).await?)).await, "not-allowed", "rule 10")?;
        ensure!(ben.with(async |client| Ok(client.links_of(group)?.len())).await? == 0, "and no link is left behind");
        by(ben.with(async |client| Ok(client.set_title(group, "Mine").await?)).await, "only admins").await?;
        by(ben.with(async |client| Ok(client.set_description(group, "mine").await?)).await, "rule 10").await?;
        by(ben.with(async |client| Ok(client.set_timer(group, 5).await?)).await, "rule 10").await?;
        for permission in [GroupPermission::Invite, GroupPermission::Edit, GroupPermission::Write] {
            by(
                ben.with(async |client| Ok(client.set_permission(group, permission, permission != GroupPermission::Write).await?)).await,
                "rule 10",
            )
            .await?;
        }
        let ben_name = ben.handle.to_text();
        by(ben.with(async |client| Ok(client.set_role(group, &ben_name, true).await?)).await, "rule 10").await?;
        by(ben.with(async |client| Ok(client.set_role(group, &ann.handle.to_text(), false).await?)).await, "rule 10").await?;
        by(ben.with(async |client| Ok(client.remove(group, &eve_name).await?)).await, "rule 5").await?;
        by(ben.with(async |client| Ok(client.end_group(group).await?)).await, "only an admin ends").await?;
        // A member closes its own links; that of somebody else stays.
        ensure!(ben.with(async |client| Ok(client.close_links(group).await?)).await? == ActOutcome::Done, "none of ben's is open");
        cast.unchanged(&before, "an act without the right").await?;
        // From outside there is no group to act in.
        refused(zoe.with(async |client| Ok(client.set_title(group, "Mine").await?)).await, "unknown", "group")?;
        cast.unchanged(&before, "somebody from outside").await?;
        // Where admins alone write, a member's message is not taken.
        ann.with(async |client| Ok(client.set_permission(group, GroupPermission::Write, false).await?)).await?;
        let before = cast.seen().await?;
        refused(ben.send(group, "I write all the same", None).await, "not-allowed", "only admins write")?;
        cast.unchanged(&before, "a message without the right").await?;
        // Nor one that was written before its writer had heard of it: it is kept, and failed.
        ann.with(async |client| Ok(client.set_permission(group, GroupPermission::Write, true).await?)).await?;
        cast.rest().await?;
        ann.with(async |client| Ok(client.set_permission(group, GroupPermission::Write, false).await?)).await?;
        refused(ben.send(group, "too late", None).await, "not-allowed", "only admins write")?;
        let failed = ben.history(group).await?.pop().context("a message")?;
        ensure!(failed.text == "too late" && failed.delivery == Delivery::Failed, "{failed:?}");
        cast.rest().await?;
        ensure!(ann.history(group).await?.iter().all(|message| message.text != "too late"), "nobody else has it");
        // Whoever comes in there reads.
        cast.invite(zoe).await?;
        zoe.sync(None).await?;
        accept(zoe, group).await?;
        cast.rest().await?;
        ann.send(group, "for all to read", None).await?;
        settle(&[ann, ben, zoe]).await?;
        ensure!(zoe.history(group).await?.last().is_some_and(|last| last.text == "for all to read"), "zoe reads");
        refused(zoe.send(group, "and I write", None).await, "not-allowed", "only admins write")?;
        ann.with(async |client| Ok(client.set_permission(group, GroupPermission::Write, true).await?)).await?;
        cast.rest().await?;
        cast.alive().await
    })
    .unwrap();
}

#[test]
fn wrong_names_and_sizes_are_named_and_change_nothing() {
    simulate(async {
        let cast = Cast::new().await?;
        let Cast { ann, ben, zoe, group, .. } = &cast;
        let group = *group;
        let before = cast.seen().await?;
        let role = async |who: &str| ann.with(async |client| Ok(client.set_role(group, who, true).await?)).await;
        refused(role(&zoe.handle.to_text()).await, "unknown", "member zoe@sea.example")?;
        refused(role("nobody").await, "unknown", "member nobody")?;
        refused(ann.with(async |client| Ok(client.remove(group, "ben@").await?)).await, "invalid", "handle")?;
        refused(ann.with(async |client| Ok(client.set_title(group, " ").await?)).await, "empty-text", "empty")?;
        refused(ann.with(async |client| Ok(client.set_title(group, &"x".repeat(129)).await?)).await, "text-too-long", "128")?;
        refused(ann.with(async |client| Ok(client.set_description(group, &"x".repeat(2049)).await?)).await, "text-too-long", "2048")?;
        let invite = async |handle: &str| {
            let handle = handle.parse()?;
            ann.with(async |client| Ok(client.invite(group, &[(handle, None)]).await?)).await
        };
        refused(invite("nobody@sea.example").await, "no-such-handle", "nobody@sea.example")?;
        refused(invite(&ben.handle.to_text()).await, "already-in", "ben@sea.example")?;
        refused(invite(&ann.handle.to_text()).await, "own-handle", "own")?;
        let crowd = vec![(zoe.handle.clone(), None); 33];
        refused(ann.with(async |client| Ok(client.invite(group, &crowd).await?)).await, "too-many", "32 people")?;
        cast.unchanged(&before, "a wrong name or size").await?;
        cast.alive().await
    })
    .unwrap();
}

#[test]
fn an_expired_invite_lets_nobody_in() {
    simulate(async {
        let cast = Cast::new().await?;
        cast.invite(&cast.zoe).await?;
        cast.zoe.sync(None).await?;
        let mut before = cast.seen().await?;
        // Somebody who is away for a month and a day; those who are in look in now and then.
        for _ in 0..31 {
            tokio::time::sleep(DAY).await;
            settle(&cast.members()).await?;
        }
        refused(accept(&cast.zoe, cast.group).await, "invite-over", "expired")?;
        outside(&cast.zoe, cast.group).await?;
        // The door that is over may be closed by anybody's commit; else all is as it was.
        let after = cast.seen().await?;
        for ((then, _), (now, _)) in before.iter_mut().zip(&after) {
            then.doors.clone_from(&now.doors);
        }
        ensure!(after == before, "{before:?}\n{after:?}");
        cast.alive().await
    })
    .unwrap();
}

#[test]
fn an_invite_for_somebody_else_lets_nobody_in() {
    simulate(async {
        let cast = Cast::new().await?;
        let Cast { world, zoe, group, .. } = &cast;
        let max = world.person("max", &"https://sea.example".parse()?).await?;
        cast.invite(zoe).await?;
        zoe.sync(None).await?;
        let before = cast.seen().await?;
        put_invite(&max, &invite_of(zoe)?)?;
        refused(accept(&max, *group).await, "invite-over", "somebody else")?;
        outside(&max, *group).await?;
        cast.unchanged(&before, "a stolen invite").await?;
        cast.alive().await
    })
    .unwrap();
}

#[test]
fn an_invite_is_good_once() {
    simulate(async {
        let cast = Cast::new().await?;
        let Cast { zoe, group, ann, .. } = &cast;
        cast.invite(zoe).await?;
        zoe.sync(None).await?;
        let invite = invite_of(zoe)?;
        accept(zoe, *group).await?;
        cast.rest().await?;
        settle(&[zoe]).await?;
        let before = cast.seen().await?;
        // Again while in: it takes nothing away from who is in.
        put_invite(zoe, &invite)?;
        refused(accept(zoe, *group).await, "already-in", "zoe@sea.example")?;
        cast.unchanged(&before, "an invite used while in").await?;
        ensure!(zoe.with(async |client| Ok(client.group(*group)?)).await?.members.len() == 4, "zoe is in as before");
        // Again after having left.
        ann.with(async |client| Ok(client.remove(*group, &zoe.handle.to_text()).await?)).await?;
        settle(&[zoe]).await?;
        let before = cast.seen().await?;
        put_invite(zoe, &invite)?;
        refused(accept(zoe, *group).await, "invite-over", "used")?;
        outside(zoe, *group).await?;
        cast.unchanged(&before, "an invite used twice").await?;
        cast.alive().await
    })
    .unwrap();
}

#[test]
fn a_link_that_was_closed_lets_nobody_in() {
    simulate(async {
        let cast = Cast::new().await?;
        let Cast { ann, zoe, group, .. } = &cast;
        let link = ann.open_link(*group, false).await?;
        cast.rest().await?;
        ann.with(async |client| Ok(client.close_links(*group).await?)).await?;
        let before = cast.seen().await?;
        refused(join(zoe, &link).await, "invite-over", "closed")?;
        outside(zoe, *group).await?;
        cast.unchanged(&before, "a closed link").await?;
        cast.alive().await
    })
    .unwrap();
}

/// The fields of a link, one of them changed.
fn altered(link: &JoinLink, change: impl FnOnce(&mut proto::JoinLink)) -> anyhow::Result<JoinLink> {
    let text = link.to_text();
    let (place, secret) = text.split_once('#').context("a link")?;
    let mut fields = proto::JoinLink::decode(BASE64URL_NOPAD.decode(secret.as_bytes())?.as_slice())?;
    change(&mut fields);
    Ok(format!("{place}#{}", BASE64URL_NOPAD.encode(&fields.encode_to_vec())).parse()?)
}

fn flipped(bytes: &bytes::Bytes) -> bytes::Bytes {
    bytes.iter().enumerate().map(|(at, byte)| if at == 0 { byte ^ 1 } else { *byte }).collect::<Vec<_>>().into()
}

#[test]
fn an_altered_link_lets_nobody_in() {
    simulate(async {
        let cast = Cast::new().await?;
        let Cast { ann, zoe, group, .. } = &cast;
        let link = ann.open_link(*group, false).await?;
        let before = cast.seen().await?;
        // As text: what is cut or is no base64 is no link.
        let text = link.to_text();
        for wrong in [
            &text[..text.len() - 5],
            &text.replace('#', "#!"),
            &text.replace('#', "/"),
            &text.replace("alcyon://join/", "alcyon://"),
            "#",
            "",
        ] {
            let error = wrong.parse::<JoinLink>().err().with_context(|| format!("{wrong} was read"))?;
            ensure!(error.to_string().contains("link") || error.field() == "link", "{error}");
        }
        let other_conversation = altered(&link, |fields| fields.conversation = flipped(&fields.conversation))?;
        let other_log = altered(&link, |fields| fields.log = flipped(&fields.log))?;
        let other_door = altered(&link, |fields| fields.door = flipped(&fields.door))?;
        let other_term = altered(&link, |fields| fields.term = 7)?;
        for (what, wrong) in [("conversation", &other_conversation), ("log", &other_log), ("door", &other_door), ("term", &other_term)] {
            refused(join(zoe, wrong).await, "invite-over", "over").context(what)?;
            pause().await;
            zoe.sync(None).await.context(what)?;
            cast.unchanged(&before, what).await?;
        }
        // With another join secret nothing can be read at the door: it is said that this is so, and nothing is tried for ever.
        let other_secret = altered(&link, |fields| fields.join_secret = flipped(&fields.join_secret))?;
        refused(join(zoe, &other_secret).await, "invite-over", "over").context("join secret")?;
        outside(zoe, *group).await?;
        cast.unchanged(&before, "an altered join secret").await?;
        // What was tried before does not stand in the way of the true link.
        ensure!(join(zoe, &link).await? == JoinOutcome::In { conversation: *group }, "in");
        cast.rest().await?;
        cast.alive().await
    })
    .unwrap();
}

/// The secret of a link from before a removal, at a door that was opened after it: older GroupInfos still open with it, and nothing
/// since does.
#[test]
fn a_link_whose_secret_is_older_than_its_door_is_not_tried_for_ever() {
    simulate(async {
        let cast = Cast::new().await?;
        let Cast { ann, eve, zoe, group, .. } = &cast;
        let old = ann.open_link(*group, false).await?;
        cast.rest().await?;
        ann.with(async |client| Ok(client.remove(*group, &eve.handle.to_text()).await?)).await?;
        cast.rest().await?;
        let new = ann.open_link(*group, false).await?;
        cast.rest().await?;
        let mut secret = bytes::Bytes::new();
        altered(&old, |fields| secret = fields.join_secret.clone())?;
        let mixed = altered(&new, |fields| fields.join_secret = secret)?;
        refused(join(zoe, &mixed).await, "invite-over", "over")?;
        outside(zoe, *group).await?;
        ensure!(join(zoe, &old).await? == JoinOutcome::In { conversation: *group }, "a link outlives a removal");
        Ok(())
    })
    .unwrap();
}

/// Until the server has taken it, there is no link: a removal may still come before it.
#[test]
fn a_link_that_is_opened_offline_is_given_out_once_it_is_open() {
    simulate(async {
        let cast = Cast::new().await?;
        let Cast { ann, ben, eve, zoe, group, .. } = &cast;
        ann.with(async |client| Ok(client.set_role(*group, &ben.handle.to_text(), true).await?)).await?;
        cast.rest().await?;
        ann.faults.at(ann.faults.points(), Fault::Outage(DAY));
        let opened = ann.with(async |client| Ok(client.open_link(*group, false).await?)).await?;
        ensure!(matches!(opened, OpenedLink::Queued), "{opened:?}");
        ensure!(ann.with(async |client| Ok(client.links_of(*group)?)).await?.is_empty(), "none is shown");
        ben.with(async |client| Ok(client.remove(*group, &eve.handle.to_text()).await?)).await?;
        ann.faults.set_rates(FaultRates::NONE);
        pause().await;
        settle(&[ann, ben]).await?;
        let links = ann.with(async |client| Ok(client.links_of(*group)?)).await?;
        let [link] = links.as_slice() else { bail!("one link: {links:?}") };
        pause().await;
        ensure!(join(zoe, link).await? == JoinOutcome::In { conversation: *group }, "it lets in");
        Ok(())
    })
    .unwrap();
}

/// Whoever makes a link chooses the id in it: it must not take over a conversation of two.
#[test]
fn a_link_that_names_a_conversation_of_two_takes_nothing_away() {
    simulate(async {
        let cast = Cast::new().await?;
        let Cast { ann, zoe, group, .. } = &cast;
        zoe.knock(ann, "hello ann").await?;
        let pair = zoe.conversation(ann)?;
        let link = ann.open_link(*group, false).await?;
        let hostile = altered(&link, |fields| fields.conversation = pair.to_field())?;
        ann.sync(None).await?;
        let requests = ann.with(async |client| Ok(client.requests()?)).await?;
        ann.with(async |client| Ok(client.decline(requests.first().context("a request")?.id).await?)).await?;
        settle(&[zoe, ann]).await?;
        let before = zoe.with(async |client| Ok(client.conversations()?)).await?;
        refused(join(zoe, &hostile).await, "unbelievable", "conversation of two")?;
        ensure!(zoe.with(async |client| Ok(client.conversations()?)).await? == before, "zoe's list is as it was");
        Ok(())
    })
    .unwrap();
}

#[test]
fn doors_beyond_the_limit_are_refused() {
    simulate(async {
        let cast = Cast::new().await?;
        let Cast { ann, zoe, group, .. } = &cast;
        for number in 0..64 {
            ann.with(async |client| Ok(client.open_link(*group, false).await?)).await.with_context(|| format!("link {number}"))?;
            pause().await;
        }
        let before = cast.seen().await?;
        refused(ann.with(async |client| Ok(client.open_link(*group, false).await?)).await, "not-allowed", "rule 7")?;
        refused(ann.with(async |client| Ok(client.invite(*group, &[(zoe.handle.clone(), None)]).await?)).await, "not-allowed", "too many")?;
        cast.unchanged(&before, "a door too many").await?;
        cast.alive().await
    })
    .unwrap();
}

/// How a person keeps a conversation is theirs: it stays, and a new message finds it.
#[test]
fn what_is_archived_comes_back_with_a_message_unless_it_is_muted() {
    simulate(async {
        let cast = Cast::new().await?;
        let Cast { ann, ben, group, .. } = &cast;
        let archived = async || ben.with(async |client| Ok(client.conversations()?.first().map(|one| one.archived))).await;
        ben.with(async |client| Ok(client.set_archived(*group, true)?)).await?;
        ann.with(async |client| Ok(client.set_title(*group, "Quay").await?)).await?;
        cast.rest().await?;
        ensure!(archived().await? == Some(true), "a line is no message");
        ann.send(*group, "a message", None).await?;
        cast.rest().await?;
        ensure!(archived().await? == Some(false), "back");
        let now_ms = ben.history(*group).await?.last().context("a message")?.sent_at_ms;
        let hour = alcyon_client::Muted::Until { at_ms: now_ms + 3_600_000 };
        ben.with(async |client| Ok(client.set_muted(*group, Some(hour))?)).await?;
        ben.with(async |client| Ok(client.set_archived(*group, true)?)).await?;
        ann.send(*group, "while muted", None).await?;
        cast.rest().await?;
        ensure!(archived().await? == Some(true), "muted");
        ben.open()?;
        ensure!(archived().await? == Some(true), "and it is kept");
        tokio::time::sleep(Duration::from_secs(7200)).await;
        let muted = ben.with(async |client| Ok(client.conversations()?.first().and_then(|one| one.muted))).await?;
        ensure!(muted.is_none(), "the mute has ended by the clock");
        ann.send(*group, "after it", None).await?;
        cast.rest().await?;
        ensure!(archived().await? == Some(false), "back again");
        Ok(())
    })
    .unwrap();
}
