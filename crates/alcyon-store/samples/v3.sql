-- Rows as format 3 wrote them. This file never changes.
INSERT INTO conversations (conversation, peer, start_handle, start_account, standing, created_ms, read_number, kind, title,
                           muted_until_ms, archived, pinned)
  VALUES (x'01010101010101010101010101010101', NULL, NULL, NULL, 2, 5, 1, 2, 'boats', 7, 0, 2);
INSERT INTO terms (log, conversation, term, server, state, group_id, welcome, seat, next_seat, drop_secret, join_secret, cursor,
                   running_hash, commit_count, rejoin, door, tree_stale, reason)
  VALUES (zeroblob(16), x'01010101010101010101010101010101', 0, 'https://sea.example', 2, x'02', NULL, zeroblob(32), NULL,
          zeroblob(32), zeroblob(32), 7, zeroblob(32), 1, 0, zeroblob(32), 1, 2);
INSERT INTO messages (conversation, message, sender, own, text, term, sequence, sent_at_ms, delivery, shown, line)
  VALUES (x'01010101010101010101010101010101', zeroblob(16), zeroblob(32), 0, 'kingfisher', 0, 3, 5, 3, 1, NULL),
         (x'01010101010101010101010101010101', x'02020202020202020202020202020202', zeroblob(32), 0, '', 0, 4, 6, 3, 1, x'0801');
INSERT INTO requests (conversation, number, account, handle, confirmed, offer, introduction, sent_at_ms, state, shown, kind)
  VALUES (x'03030303030303030303030303030303', 1, zeroblob(32), 'ann@sea.example', 1, x'00', 'ben@sea.example', 5, 1, 0, 2);
INSERT INTO links (log, door, secret, approval) VALUES (zeroblob(16), zeroblob(16), zeroblob(32), 1);
INSERT INTO leaving (log, account, proof) VALUES (zeroblob(16), zeroblob(32), x'05');
