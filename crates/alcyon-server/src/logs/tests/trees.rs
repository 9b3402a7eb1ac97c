use super::*;

fn chunk(n: u64, commit_count: u64, chunk: u32, chunks: u32) -> TreeChunk {
    let group_info = if chunk + 1 == chunks { Bytes::from("group info of the tree") } else { Bytes::new() };
    TreeChunk { entry_id: entry_id(n), commit_count, chunk, chunks, payload: format!("tree {n}, chunk {chunk}").into(), group_info }
}

fn read(server: &Server, authority: &Authority) -> Vec<proto::Tree> {
    let reader = server.logs.tree(authority).unwrap();
    (0..reader.chunks()).map(|chunk| reader.chunk(chunk).unwrap()).collect()
}

#[tokio::test]
async fn a_tree_stands_when_its_last_chunk_is_there() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    server.commit(&ann, 1, 0, opening(vec![door(ann.log, 5, DoorKind::Link)])).await.unwrap();
    let by = Authority::Door(door_shown(ann.log, 5));
    assert_eq!(code(server.logs.tree(&by).map(|_| ())), RefusalCode::NoTree);
    server.logs.put_tree(&bob, chunk(2, 1, 0, 2)).await.unwrap();
    server.logs.put_tree(&bob, chunk(2, 1, 0, 2)).await.expect("sent again");
    assert_eq!(code(server.logs.tree(&by).map(|_| ())), RefusalCode::NoTree);
    server.commit(&ann, 3, 1, SeatChanges::default()).await.unwrap();
    server.logs.put_tree(&bob, chunk(2, 1, 1, 2)).await.expect("a commit may come in between");
    server.logs.put_tree(&bob, chunk(2, 1, 1, 2)).await.expect("sent again");
    let server = server.restart();
    let tree = read(&server, &by);
    assert_eq!(tree.iter().map(|chunk| chunk.payload.clone()).collect::<Vec<_>>(), ["tree 2, chunk 0", "tree 2, chunk 1"]);
    assert_eq!((tree[1].sequence, tree[1].commit_count, tree[1].group_infos.len()), (1, 1, 1), "replay the commits after it");
    assert!(tree[0].group_infos.is_empty());
}

#[tokio::test]
async fn a_newer_tree_takes_the_place_of_the_old_one() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    server.logs.put_tree(&ann, chunk(1, 0, 0, 1)).await.unwrap();
    let old = server.logs.tree(&Authority::Seat(bob.clone())).unwrap();
    server.commit(&ann, 2, 0, SeatChanges::default()).await.unwrap();
    assert_eq!(code(server.logs.put_tree(&ann, chunk(3, 0, 0, 1)).await), RefusalCode::Stale);
    server.logs.put_tree(&ann, chunk(3, 1, 0, 1)).await.unwrap();
    let refusal = old.chunk(0).unwrap_err();
    assert_eq!((refusal.code, refusal.verdict), (RefusalCode::NoTree, alcyon_wire::Verdict::Later));
    assert_eq!(read(&server, &Authority::Seat(bob))[0].payload, "tree 3, chunk 0");
    let rows = server.disk.dump();
    assert_eq!(rows.iter().filter(|(table, ..)| *table == crate::store::Table::TreeChunks).count(), 1);
}

#[tokio::test]
async fn chunks_come_in_order_and_one_upload_at_a_time() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    let refusal = server.logs.put_tree(&ann, chunk(1, 0, 1, 3)).await.unwrap_err();
    assert_eq!((refusal.code, &*refusal.field), (RefusalCode::Malformed, "put_tree.chunk"));
    server.logs.put_tree(&ann, chunk(1, 0, 0, 3)).await.unwrap();
    assert_eq!(code(server.logs.put_tree(&ann, chunk(1, 0, 2, 3)).await), RefusalCode::Malformed);
    assert_eq!(code(server.logs.put_tree(&ann, chunk(1, 0, 1, 2)).await), RefusalCode::EntryIdReused);
    assert_eq!(code(server.logs.put_tree(&bob, chunk(2, 0, 0, 1)).await), RefusalCode::Quota, "somebody is at it");
    server.logs.put_tree(&ann, chunk(3, 0, 0, 2)).await.expect("who began may begin anew");
    server.clock.advance(30_000);
    server.logs.put_tree(&bob, chunk(2, 0, 0, 1)).await.expect("it has stalled");
    assert_eq!(read(&server, &Authority::Seat(ann))[0].payload, "tree 2, chunk 0");
    let rows = server.disk.dump();
    assert_eq!(rows.iter().filter(|(table, ..)| *table == crate::store::Table::TreeChunks).count(), 1, "no chunk is left over");
}

#[tokio::test]
async fn the_last_sixteen_group_infos_are_kept() {
    let server = Server::with(LogSettings { commits: Rate { burst: 100.0, per_second: 1.0 }, ..inline() });
    let (ann, _) = server.log_of_two().await;
    server.logs.put_tree(&ann, chunk(1, 0, 0, 1)).await.unwrap();
    for n in 0..20 {
        let info = Bytes::from(format!("info {n}"));
        let by = Authority::Seat(ann.clone());
        server.logs.commit(&by, entry_id(n + 2), payload(n), n, SeatChanges::default(), &[], info).await.unwrap();
    }
    let tree = read(&server.restart(), &Authority::Seat(ann)).remove(0);
    let counts: Vec<_> = tree.group_infos.iter().map(|info| info.commit_count).collect();
    assert_eq!(counts, (5..=20).collect::<Vec<_>>(), "of the epochs that the commits began");
    assert_eq!(tree.group_infos.last().unwrap().payload, "info 19");
}
