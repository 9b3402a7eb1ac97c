-- Rows as format 1 wrote them. This file never changes.
INSERT INTO conversations (conversation, peer, start_handle, start_account, standing, created_ms, read_number)
  VALUES (x'01010101010101010101010101010101', zeroblob(32), NULL, NULL, 2, 5, 1);
INSERT INTO terms (log, conversation, term, server, state, group_id, welcome, seat, next_seat, drop_secret, join_secret, cursor,
                   running_hash, commit_count, rejoin)
  VALUES (zeroblob(16), x'01010101010101010101010101010101', 0, 'https://sea.example', 2, x'02', NULL, zeroblob(32), NULL,
          zeroblob(32), zeroblob(32), 7, zeroblob(32), 1, 0);
INSERT INTO messages (conversation, message, sender, own, text, term, sequence, sent_at_ms, delivery, shown)
  VALUES (x'01010101010101010101010101010101', zeroblob(16), zeroblob(32), 0, 'kingfisher', 0, 3, 5, 3, 1);
INSERT INTO requests (conversation, number, account, handle, confirmed, offer, introduction, sent_at_ms, state, shown)
  VALUES (x'03030303030303030303030303030303', 1, zeroblob(32), 'ann@sea.example', 1, x'00', 'hello', 5, 1, 0);
