-- Rows as format 4 wrote them. This file never changes.
INSERT INTO conversations (conversation, peer, start_handle, start_account, standing, created_ms, read_number, kind, title,
                           muted_until_ms, archived, pinned, told_term, told_sequence, tell_ms, tells_read, tells_typing, draft,
                           marked_unread, accepted_ms)
  VALUES (x'01010101010101010101010101010101', zeroblob(32), NULL, NULL, 2, 5, 1, 1, '', 7, 0, 2, 1, 9, 11, 0, NULL, 'not sent', 1, 13);
INSERT INTO messages (conversation, message, sender, own, text, term, sequence, sent_at_ms, delivery, shown, line, kind, target, content,
                      at_ms, rights, timer_s, goes_ms, first_term, first_sequence, has, read_elsewhere)
  VALUES (x'01010101010101010101010101010101', zeroblob(16), zeroblob(32), 0, 'kingfisher', 0, 3, 5, 3, 1, NULL, 1, NULL, x'01', 5, 0, 10, NULL,
          0, 3, 0, 0);
INSERT INTO contacts (account, handle, manifest, handle_checked_ms, handle_changed, blocked, pass_given, pass_held)
  VALUES (zeroblob(32), 'ben@sea.example', x'00', 5, 0, 0, NULL, zeroblob(32));
INSERT INTO settings (name, value) VALUES ('timer_s', 3600);
INSERT INTO devices (device, name, added_ms, inbox_seat, added_here) VALUES (zeroblob(32), 'desk', 5, NULL, 0);
INSERT INTO device_notes (kind, about, value) VALUES (13, x'01', x'02');
