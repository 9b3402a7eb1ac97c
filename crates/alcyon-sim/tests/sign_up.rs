//! Newcomers in line, by the real client: places are kept through ends of the client and of the server.
#![allow(clippy::unwrap_used)]

use std::{cell::RefCell, time::Duration};

use alcyon_client::{ClientError, InLine, Newcomer};
use alcyon_sim::{
    person::Person,
    process::{Profile, ServerSetup},
    world::{Peer, World, simulate},
};
use alcyon_wire::{Handle, ServerUrl};
use anyhow::{bail, ensure};

/// Notes what it hears, and goes when it has heard enough.
struct Told {
    lines: Vec<InLine>,
    most: usize,
}

impl Newcomer for Told {
    fn in_line(&mut self, line: InLine) -> bool {
        self.lines.push(line);
        self.lines.len() <= self.most
    }
}

fn newcomer(world: &World, name: &str, server: &ServerUrl) -> anyhow::Result<Peer> {
    world.profile(name, Handle::new(name.parse()?, server.authority())?)
}

#[test]
fn newcomers_come_in_in_the_order_in_which_they_came() -> anyhow::Result<()> {
    simulate(async {
        let world = World::new(5)?;
        let server = world.server("sea.example").await?;
        world.network.set_sign_ups(&server, 1.0).await?;
        let people: Vec<_> = (0..12)
            .map(|n| Ok((format!("person{n}"), newcomer(&world, &format!("person{n}"), &server)?)))
            .collect::<anyhow::Result<_>>()?;
        let done = RefCell::new(Vec::new());
        let (done_ref, server_ref) = (&done, &server);
        let all = people.iter().enumerate().map(|(n, (name, peer))| async move {
            // One every two seconds; two come where one goes.
            tokio::time::sleep(Duration::from_millis(500 * u64::try_from(n)?)).await;
            let mut told = Told { lines: Vec::new(), most: usize::MAX };
            peer.with(async |client| Ok(client.register_as(&name.parse()?, server_ref, &mut told).await?)).await?;
            done_ref.borrow_mut().push(n);
            ensure!(told.lines.windows(2).all(|two| two[1].place <= two[0].place), "nobody goes back: {:?}", told.lines);
            Ok(told.lines.len())
        });
        let told = futures::future::try_join_all(all).await?;
        ensure!(*done.borrow() == (0..12).collect::<Vec<_>>(), "{:?}", done.borrow());
        ensure!(told[0] == 0 && told.iter().filter(|count| **count > 0).count() >= 5, "{told:?}");
        Ok(())
    })
}

#[test]
fn a_place_is_kept_through_ends_of_the_client_and_the_server() -> anyhow::Result<()> {
    simulate(async {
        let world = World::new(6)?;
        let server = world.server("sea.example").await?;
        world.network.set_sign_ups(&server, 0.02).await?;
        world.person("first", &server).await?;
        let (ann, ben) = (newcomer(&world, "ann", &server)?, newcomer(&world, "ben", &server)?);
        let impatient = async |peer: &Peer, name: &str| {
            let mut told = Told { lines: Vec::new(), most: 0 };
            let result = peer.with(async |client| Ok(client.register_as(&name.parse()?, &server, &mut told).await)).await?;
            match result {
                Err(ClientError::InLine { place, .. }) => Ok(place),
                other => bail!("{:?}", other.map(|registered| registered.handle)),
            }
        };
        ensure!(impatient(&ann, "ann").await? == 1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        ensure!(impatient(&ben, "ben").await? == 2);
        // So that the server has kept the line as it stands.
        tokio::time::sleep(Duration::from_secs(2)).await;
        ann.open()?;
        world.network.kill(&server);
        world.network.start(&server).await?;
        ensure!(impatient(&ben, "ben").await? == 2, "the place before the restart");
        ensure!(impatient(&ann, "ann").await? == 1);
        let order = RefCell::new(Vec::new());
        let come_in = async |peer: &Peer, name: &'static str| {
            peer.with(async |client| Ok(client.register(&name.parse()?, &server).await?)).await?;
            order.borrow_mut().push(name);
            anyhow::Ok(())
        };
        futures::future::try_join(come_in(&ben, "ben"), come_in(&ann, "ann")).await?;
        ensure!(*order.borrow() == ["ann", "ben"], "{:?}", order.borrow());
        Ok(())
    })
}

#[test]
fn the_program_says_that_there_is_a_line_and_keeps_its_place() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // One in a hundred seconds: longer than this takes.
    let server = ServerSetup::new(&folder.path().join("server")).arguments(["--sign-ups-per-second", "0.01"]).start()?;
    Person::register(folder.path(), "ann", &server)?;
    let url = server.url().to_text();
    for (name, place) in [("ben", 1), ("cat", 2), ("ben", 1)] {
        let refused = Profile::new(&folder.path().join(name)).run(["register", name, "--server", &url, "--no-wait"])?;
        ensure!(refused.code == Some(1) && refused.error()?["error"] == "in-line", "{refused:?}");
        ensure!(refused.lines.len() == 1 && refused.lines[0]["event"] == "in_line" && refused.lines[0]["place"] == place, "{refused:?}");
    }
    Ok(())
}

#[test]
fn work_is_done_by_the_program_and_an_invite_is_asked_for() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server =
        ServerSetup::new(&folder.path().join("server")).arguments(["--sign-ups-proofs", "work", "--sign-ups-work-bits", "10"]).start()?;
    Person::register(folder.path(), "ann", &server)?;
    let closed = ServerSetup::new(&folder.path().join("closed")).arguments(["--sign-ups-proofs", "invite | invite+work"]).start()?;
    let profile = Profile::new(&folder.path().join("ben"));
    let url = closed.url().to_text();
    let refused = profile.run(["register", "ben", "--server", &url])?;
    ensure!(refused.code == Some(1) && refused.error()?["error"] == "proof-needed", "{refused:?}");
    let refused = profile.run(["register", "ben", "--server", &url, "--invite", "ABCD-EFGH-IJKL-MNOP"])?;
    ensure!(refused.code == Some(1) && refused.error()?["field"] == "proofs.invite", "{refused:?}");
    Ok(())
}
