//! Coming in where others make it hard: what a newcomer reads stays short, and neither a member nor a server who keeps back what
//! confirms the group leads anybody into an old one.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use alcyon_client::{ConversationId, JoinLink, JoinOutcome, OpenedLink};
use alcyon_sim::{
    liar::Lie,
    world::{Peer, World, settle, simulate},
};
use alcyon_wire::ServerUrl;
use anyhow::{bail, ensure};

/// Commits of one log are paced by its server.
async fn pause() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

/// Ann's group with Ben in it, its link, and Zoe outside.
struct Scene {
    world: World,
    sea: ServerUrl,
    ann: Peer,
    ben: Peer,
    zoe: Peer,
    group: ConversationId,
    link: JoinLink,
}

impl Scene {
    async fn new() -> anyhow::Result<Self> {
        let world = World::new(1)?;
        let sea = world.server("sea.example").await?;
        let ann = world.person("ann", &sea).await?;
        let ben = world.person("ben", &sea).await?;
        let zoe = world.person("zoe", &sea).await?;
        let group = ann.with(async |client| Ok(client.create_group("Harbour").await?)).await?;
        let link = match ann.with(async |client| Ok(client.open_link(group, false).await?)).await? {
            OpenedLink::Open(link) => link,
            OpenedLink::Queued => bail!("the link is not open yet"),
        };
        let scene = Self { world, sea, ann, ben, zoe, group, link };
        scene.comes_in(&scene.ben).await?;
        scene.rest(&[&scene.ann, &scene.ben]).await?;
        scene.ann.with(async |client| Ok(client.set_role(group, &scene.ben.handle.to_text(), true).await?)).await?;
        scene.rest(&[&scene.ann, &scene.ben]).await?;
        Ok(scene)
    }

    async fn rest(&self, members: &[&Peer]) -> anyhow::Result<()> {
        pause().await;
        settle(members).await
    }

    /// Somebody comes in by the link, and is in as soon as that is done.
    async fn comes_in(&self, who: &Peer) -> anyhow::Result<()> {
        pause().await;
        let outcome = self.knocks(who).await?;
        ensure!(outcome == (JoinOutcome::In { conversation: self.group }), "{}: {outcome:?}", who.handle.to_text());
        // The link did not say what the group is called.
        let list = who.with(async |client| Ok(client.conversations()?)).await?;
        ensure!(list.iter().any(|one| one.title.starts_with("Harbour")), "{}: no title", who.handle.to_text());
        Ok(())
    }

    async fn knocks(&self, who: &Peer) -> anyhow::Result<JoinOutcome> {
        who.with(async |client| Ok(client.join(&self.link).await?)).await
    }

    async fn entitle(&self, by: &Peer, title: &str) -> anyhow::Result<()> {
        pause().await;
        by.with(async |client| Ok(client.set_title(self.group, title).await?)).await?;
        Ok(())
    }

    /// How many members somebody sees; none if it is not in.
    async fn members(&self, of: &Peer) -> anyhow::Result<Option<usize>> {
        of.with(async |client| Ok(client.group(self.group).ok().map(|view| view.members.len()))).await
    }

    /// What all of them write all of them read.
    async fn all_talk(&self, all: &[&Peer]) -> anyhow::Result<()> {
        for who in all {
            who.send(self.group, &format!("{} is here", who.handle.to_text()), None).await?;
        }
        self.rest(all).await?;
        for who in all {
            ensure!(who.alarms().is_empty(), "{}: {:?}", who.handle.to_text(), who.alarms());
            let read = who.history(self.group).await?;
            let heard = read.iter().filter(|message| message.text.ends_with("is here")).count();
            ensure!(heard == all.len(), "{} reads {heard} of {}", who.handle.to_text(), all.len());
        }
        Ok(())
    }
}

/// Links bring in many without any other commit: then those who come in store the tree, every 32 commits.
#[test]
fn who_comes_in_stores_the_tree_when_it_is_due() {
    simulate(async {
        let scene = Scene::new().await?;
        let Scene { world, sea, ann, ben, zoe, .. } = &scene;
        // The link, Ben and his role were commits 1 to 3; Eve is the 32nd.
        for number in 4..32 {
            scene.entitle(ann, &format!("Harbour {number}")).await?;
        }
        scene.rest(&[ann, ben]).await?;
        let eve = world.person("eve", sea).await?;
        scene.comes_in(&eve).await?;
        let before = eve.liar.tree_from();
        scene.rest(&[ann, ben, &eve]).await?;
        scene.comes_in(zoe).await?;
        let after = zoe.liar.tree_from();
        ensure!(before < Some(10) && after > Some(30), "Eve read from {before:?} on, Zoe from {after:?}");
        scene.all_talk(&[ann, ben, &eve, zoe]).await
    })
    .unwrap();
}

/// Who commits without the GroupInfo of the new epoch keeps newcomers waiting until the next commit, and no longer.
#[test]
fn a_commit_without_group_info_keeps_nobody_out_for_good() {
    simulate(async {
        let scene = Scene::new().await?;
        let Scene { ann, ben, zoe, .. } = &scene;
        ben.liar.tell(Lie::SilentCommit);
        scene.entitle(ben, "Ben's harbour").await?;
        ensure!(ben.liar.told() == 1, "the commit went without");
        scene.rest(&[ann, ben]).await?;
        // It may wait as long as it likes: the group it would come into is one that the others have left.
        let _waits = tokio::time::timeout(Duration::from_secs(600), scene.knocks(zoe)).await;
        ensure!(scene.members(ann).await? == Some(2), "nobody came in");
        scene.entitle(ann, "Harbour").await?;
        for _ in 0..5 {
            scene.rest(&[ann, ben, zoe]).await?;
        }
        ensure!(scene.members(zoe).await? == Some(3), "Zoe is in: {:?}", scene.members(zoe).await?);
        scene.all_talk(&[ann, ben, zoe]).await
    })
    .unwrap();
}

/// A server that keeps GroupInfos back, or gives out an old one alone, delays a newcomer and does nothing else.
#[test]
fn a_server_that_keeps_group_infos_back_leads_nobody_into_an_old_group() {
    for lie in [Lie::Unconfirmed, Lie::Outdated] {
        simulate(async {
            let scene = Scene::new().await?;
            let Scene { world, sea, ann, ben, zoe, .. } = &scene;
            let eve = world.person("eve", sea).await?;
            scene.comes_in(&eve).await?;
            scene.rest(&[ann, ben, &eve]).await?;
            pause().await;
            ann.with(async |client| Ok(client.remove(scene.group, &eve.handle.to_text()).await?)).await?;
            scene.rest(&[ann, ben]).await?;
            zoe.liar.tell(lie);
            let _waits = tokio::time::timeout(Duration::from_secs(600), scene.knocks(zoe)).await;
            ensure!(zoe.liar.told() > 0, "a tree was asked for");
            ensure!(scene.members(ann).await? == Some(2), "nobody came in");
            zoe.liar.become_honest();
            for _ in 0..5 {
                scene.rest(&[ann, ben, zoe]).await?;
            }
            ensure!(scene.members(zoe).await? == Some(3), "Zoe is in: {:?}", scene.members(zoe).await?);
            scene.all_talk(&[ann, ben, zoe]).await
        })
        .unwrap_or_else(|error| panic!("{lie:?}: {error:?}"));
    }
}
