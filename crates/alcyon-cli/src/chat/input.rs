//! Keys, mouse and paste: what they do to the state.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::{
    composer::Composer,
    dialog::{Dialog, Form},
    layout::Target,
    slash::{Act, escaped, literal},
    state::{Chat, Choice, Effect, Focus},
};

/// Rows that one notch of the wheel moves.
const WHEEL: usize = 3;

impl Chat {
    /// Anything that the terminal reports.
    pub(super) fn input(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(key),
            Event::Mouse(mouse) => self.mouse(mouse),
            Event::Paste(text) => self.paste(&text),
            Event::FocusGained => {
                self.attentive = true;
                self.read()
            }
            Event::FocusLost => {
                self.attentive = false;
                Vec::new()
            }
            Event::Key(_) | Event::Resize(..) => Vec::new(),
        }
    }

    fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        self.notice = None;
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c' | 'q')) {
            return self.quit();
        }
        if self.dialog.is_some() {
            return self.dialog_key(key);
        }
        match key.code {
            KeyCode::F(1) => self.dialog = Some(Dialog::Help { scroll: 0 }),
            KeyCode::Char('f') if control => return self.look_for(""),
            KeyCode::Char('n') if control => self.dialog = Some(Dialog::New(Form::default())),
            KeyCode::Up if key.modifiers.contains(KeyModifiers::ALT) => return self.step(-1),
            KeyCode::Down if key.modifiers.contains(KeyModifiers::ALT) => return self.step(1),
            KeyCode::PageUp => return self.scroll_up(usize::from(self.layout.message_rows).saturating_sub(1).max(1)),
            KeyCode::PageDown => return self.scroll_down(usize::from(self.layout.message_rows).saturating_sub(1).max(1)),
            _ => {
                return match (self.focus, self.chosen) {
                    (Focus::Main, Some(Choice::Conversation(_))) => self.composer_key(key),
                    (Focus::Main | Focus::List, _) => self.list_key(key),
                };
            }
        }
        Vec::new()
    }

    /// At once: what is written and not sent is kept.
    fn quit(&mut self) -> Vec<Effect> {
        vec![Effect::Quit]
    }

    fn list_key(&mut self, key: KeyEvent) -> Vec<Effect> {
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => return self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => return self.step(1),
            KeyCode::Home => return self.step(isize::MIN),
            KeyCode::End => return self.step(isize::MAX),
            KeyCode::Enter | KeyCode::Right | KeyCode::Tab => return self.enter(),
            KeyCode::Esc | KeyCode::Left | KeyCode::BackTab => self.focus = Focus::List,
            KeyCode::Char('n') => self.dialog = Some(Dialog::New(Form::default())),
            KeyCode::Char('?') => self.dialog = Some(Dialog::Help { scroll: 0 }),
            KeyCode::Char('q') => return self.quit(),
            KeyCode::Char('s') => return self.safety_number(),
            KeyCode::Char('b') => return self.block_or_unblock(),
            KeyCode::Char('/') => self.dialog = Some(Dialog::Command { line: Composer::of("/"), problem: None }),
            KeyCode::Char('m') => return self.keep(|one| if one.muted.is_some() { Act::Unmute } else { Act::Mute(None) }),
            KeyCode::Char('p') => return self.keep(|one| Act::Pin(!one.pinned)),
            KeyCode::Char('e') => return self.keep(|one| Act::Archive(!one.archived)),
            KeyCode::Char('u') => return self.keep(|_| Act::Unread),
            KeyCode::Char('g') => return self.show_group(),
            KeyCode::Char('a') => {
                return self
                    .chosen_request()
                    .filter(|request| !matches!(request.kind, alcyon_client::RequestKind::Report(_)))
                    .map(|request| Effect::Accept(request.id))
                    .into_iter()
                    .collect();
            }
            KeyCode::Char('d') => {
                let declined = self.chosen_request().map(|request| Effect::Decline(request.id));
                self.focus = Focus::List;
                return declined.into_iter().collect();
            }
            _ => {}
        }
        Vec::new()
    }

    fn step(&mut self, by: isize) -> Vec<Effect> {
        let choices = self.choices();
        let Some(last) = choices.len().checked_sub(1) else { return Vec::new() };
        let at = self.chosen.and_then(|chosen| choices.iter().position(|choice| *choice == chosen));
        let next = at.map_or(0, |at| at.saturating_add_signed(by).min(last));
        choices.get(next).map(|choice| self.choose(*choice)).unwrap_or_default()
    }

    fn safety_number(&mut self) -> Vec<Effect> {
        let Some(handle) = self.chosen_handle() else { return Vec::new() };
        self.dialog = Some(Dialog::Safety { who: handle.to_text(), number: None });
        vec![Effect::SafetyNumber(handle)]
    }

    fn block_or_unblock(&mut self) -> Vec<Effect> {
        let Some(handle) = self.chosen_handle() else { return Vec::new() };
        if self.chosen_conversation().is_some_and(|one| one.blocked) {
            return vec![Effect::Unblock(handle)];
        }
        self.dialog = Some(Dialog::Block { handle });
        Vec::new()
    }

    fn composer_key(&mut self, key: KeyEvent) -> Vec<Effect> {
        let Some(Choice::Conversation(id)) = self.chosen else { return Vec::new() };
        let columns = usize::from(self.layout.composer.width);
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Tab if self.command_line().is_some() => {
                self.complete();
                return Vec::new();
            }
            KeyCode::Up | KeyCode::Down if control => {
                if let Some(open) = &mut self.open {
                    open.select(key.code == KeyCode::Up);
                }
                return self.follow_selected();
            }
            KeyCode::Esc if self.open.as_ref().is_some_and(|open| open.selected.is_some()) => {
                if let Some(open) = &mut self.open {
                    open.selected = None;
                    open.rows.laid_out_for = None;
                }
                return Vec::new();
            }
            KeyCode::Esc | KeyCode::Tab | KeyCode::BackTab => {
                self.focus = Focus::List;
                return Vec::new();
            }
            KeyCode::Char('r') if control => {
                self.recall_failed();
                return Vec::new();
            }
            KeyCode::Up | KeyCode::Down => {
                let older = self.older_texts();
                let older: Vec<&str> = older.iter().map(String::as_str).collect();
                let draft = self.drafts.entry(id).or_default();
                if key.code == KeyCode::Up {
                    draft.up(columns, &older)
                } else {
                    draft.down(columns, &older)
                }
                return Vec::new();
            }
            KeyCode::Enter if !alt && !key.modifiers.contains(KeyModifiers::SHIFT) => return self.send(),
            // Reading goes on; writing can't.
            _ if self.is_closed(id) => return Vec::new(),
            _ => {}
        }
        let draft = self.drafts.entry(id).or_default();
        match key.code {
            KeyCode::Enter => draft.insert("\n"),
            KeyCode::Char('j') if control => draft.insert("\n"),
            _ => edit(draft, key),
        }
        Vec::new()
    }

    fn send(&mut self) -> Vec<Effect> {
        let Some(Choice::Conversation(id)) = self.chosen else { return Vec::new() };
        if self.is_closed(id) {
            return Vec::new();
        }
        if self.command_line().is_some() {
            return self.run_draft(id);
        }
        match self.drafts.get_mut(&id) {
            Some(draft) if !draft.is_blank() => vec![Effect::Write(id, literal(&draft.take()).to_owned())],
            _ => Vec::new(),
        }
    }

    /// The newest message that will not go out, to be written again.
    fn recall_failed(&mut self) {
        let Some(open) = &self.open else { return };
        let failed = open.messages.iter().rev().find(|message| message.delivery == alcyon_client::Delivery::Failed);
        if let Some(message) = failed {
            let draft = self.drafts.entry(open.id).or_default();
            if draft.is_blank() {
                *draft = Composer::of(&escaped(&message.text));
            }
        }
    }

    /// Brings the chosen message into sight; near the top, older ones are fetched.
    fn follow_selected(&mut self) -> Vec<Effect> {
        let shown = usize::from(self.layout.message_rows);
        let Some(open) = &mut self.open else { return Vec::new() };
        let Some(id) = open.selected else {
            open.scroll = 0;
            return self.read();
        };
        let Some((_, place)) = open.rows.places.iter().find(|(one, _)| *one == id) else { return Vec::new() };
        let total = open.rows.lines.len();
        let (top, bottom) = (total.saturating_sub(open.scroll + shown), total.saturating_sub(open.scroll));
        if place.start < top {
            let up = top - place.start;
            return self.scroll_up(up);
        }
        let below = place.end.saturating_sub(bottom);
        if below > 0 { self.scroll_down(below) } else { Vec::new() }
    }

    fn scroll_up(&mut self, rows: usize) -> Vec<Effect> {
        let shown = usize::from(self.layout.message_rows);
        let Some(open) = &mut self.open else { return Vec::new() };
        let most = open.rows.lines.len().saturating_sub(shown);
        open.scroll = open.scroll.saturating_add(rows).min(most);
        // A page before the top, older ones are fetched: nobody has to wait for them.
        let oldest = open.messages.iter().find_map(|message| message.position);
        match oldest {
            Some(position) if !open.complete && !open.loading && open.scroll + 2 * shown >= most => {
                open.loading = true;
                vec![Effect::LoadOlder(open.id, position)]
            }
            _ => Vec::new(),
        }
    }

    fn scroll_down(&mut self, rows: usize) -> Vec<Effect> {
        let Some(open) = &mut self.open else { return Vec::new() };
        open.scroll = open.scroll.saturating_sub(rows);
        self.read()
    }

    fn dialog_key(&mut self, key: KeyEvent) -> Vec<Effect> {
        let look = self.look;
        let Some(dialog) = &mut self.dialog else { return Vec::new() };
        let yes = matches!(key.code, KeyCode::Char('y' | 'Y' | 'o' | 'O'));
        if let Some(scroll) = dialog.scroll()
            && let Some(rows) = rows_of(key.code)
        {
            *scroll = scroll.saturating_add_signed(rows);
            return Vec::new();
        }
        match dialog {
            Dialog::Help { .. } | Dialog::Group { .. } | Dialog::Links { .. } => self.dialog = None,
            Dialog::Safety { .. } | Dialog::Problem(_) | Dialog::Told(_) | Dialog::Image { .. } => self.dialog = None,
            Dialog::Block { handle } if yes || key.code == KeyCode::Char('b') => {
                let effect = Effect::Block(handle.clone());
                self.dialog = None;
                return vec![effect];
            }
            Dialog::Block { .. } => self.dialog = None,
            Dialog::Confirm { effect, .. } | Dialog::Read { effect, .. } => {
                let effect = Some((**effect).clone()).filter(|_| yes);
                self.dialog = None;
                return effect.into_iter().collect();
            }
            Dialog::Command { line, problem } => match key.code {
                KeyCode::Esc => self.dialog = None,
                KeyCode::Tab => self.complete(),
                KeyCode::Enter => return self.run_dialog(),
                _ => {
                    *problem = None;
                    edit(line, key);
                }
            },
            Dialog::Search(_) => return self.search_key(key),
            Dialog::Words(words) => match key.code {
                KeyCode::Enter if !words.sure => words.sure = true,
                _ if words.sure && yes => {
                    self.dialog = None;
                    return vec![Effect::WordsConfirmed];
                }
                _ => words.sure = false,
            },
            // One that is under way takes no keys; leaving the program is always possible.
            Dialog::New(form) if key.code == KeyCode::Esc && !form.busy => self.dialog = None,
            Dialog::Welcome(form) if key.code == KeyCode::Esc && !form.busy => return vec![Effect::Quit],
            Dialog::New(form) | Dialog::Welcome(form) if form.busy => {}
            Dialog::New(form) | Dialog::Welcome(form) => match key.code {
                KeyCode::Tab | KeyCode::Down | KeyCode::Up | KeyCode::BackTab => form.at = 1 - form.at,
                KeyCode::Enter if form.at == 0 => form.at = 1,
                KeyCode::Enter => {
                    return match &mut self.dialog {
                        Some(Dialog::New(form)) => form.submit_conversation(look),
                        Some(Dialog::Welcome(form)) => form.submit_account(look),
                        _ => Vec::new(),
                    };
                }
                _ => {
                    form.problem = None;
                    if let Some(field) = form.field() {
                        edit(field, key);
                    }
                }
            },
        }
        Vec::new()
    }

    fn paste(&mut self, text: &str) -> Vec<Effect> {
        match &mut self.dialog {
            Some(Dialog::New(form) | Dialog::Welcome(form)) if !form.busy => {
                let line = text.lines().collect::<Vec<_>>().join(" ");
                if let Some(field) = form.field() {
                    field.insert(line.trim());
                }
            }
            Some(Dialog::Command { line, problem }) => {
                *problem = None;
                line.insert(text.trim());
            }
            Some(Dialog::Search(_)) => return self.search_paste(text),
            Some(_) => {}
            None => {
                if let (Focus::Main, Some(Choice::Conversation(id))) = (self.focus, self.chosen)
                    && !self.is_closed(id)
                {
                    self.drafts.entry(id).or_default().insert(text);
                }
            }
        }
        Vec::new()
    }

    fn mouse(&mut self, mouse: MouseEvent) -> Vec<Effect> {
        let target = self.layout.at(mouse.column, mouse.row);
        match (mouse.kind, target) {
            (MouseEventKind::ScrollUp, Some(Target::List | Target::Row(_))) => {
                self.layout.list_scroll = self.layout.list_scroll.saturating_sub(1)
            }
            (MouseEventKind::ScrollDown, Some(Target::List | Target::Row(_))) => self.layout.list_scroll += 1,
            (MouseEventKind::ScrollUp, Some(Target::Messages)) => return self.scroll_up(WHEEL),
            (MouseEventKind::ScrollDown, Some(Target::Messages)) => return self.scroll_down(WHEEL),
            (MouseEventKind::ScrollUp, None) if self.dialog.is_some() => return self.wheel_in_dialog(-1),
            (MouseEventKind::ScrollDown, None) if self.dialog.is_some() => return self.wheel_in_dialog(1),
            (MouseEventKind::Down(MouseButton::Left), Some(target)) => return self.click(target, mouse),
            _ => {}
        }
        Vec::new()
    }

    fn wheel_in_dialog(&mut self, by: i16) -> Vec<Effect> {
        if let Some(scroll) = self.dialog.as_mut().and_then(Dialog::scroll) {
            *scroll = scroll.saturating_add_signed(by);
        }
        Vec::new()
    }

    fn click(&mut self, target: Target, mouse: MouseEvent) -> Vec<Effect> {
        self.notice = None;
        match target {
            Target::Row(choice) => {
                let mut effects = self.choose(choice);
                effects.extend(self.enter());
                effects
            }
            Target::List => {
                self.focus = Focus::List;
                Vec::new()
            }
            Target::Messages => self.enter(),
            Target::Composer => {
                let effects = self.enter();
                let area = self.layout.composer;
                let row = usize::from(mouse.row.saturating_sub(area.y)) + self.layout.composer_scroll;
                if let Some(Choice::Conversation(id)) = self.chosen
                    && let Some(draft) = self.drafts.get_mut(&id)
                {
                    draft.move_to(usize::from(area.width), row, usize::from(mouse.column.saturating_sub(area.x)));
                }
                effects
            }
            Target::Field(at) => {
                if let Some(Dialog::New(form) | Dialog::Welcome(form)) = &mut self.dialog {
                    form.at = at;
                }
                Vec::new()
            }
            // A form's button means "all of it", wherever the cursor is.
            Target::Key(KeyCode::Enter) => {
                if let Some(Dialog::New(form) | Dialog::Welcome(form)) = &mut self.dialog {
                    form.at = 1;
                }
                self.key(KeyCode::Enter.into())
            }
            Target::Key(code) => self.key(code.into()),
        }
    }
}

/// Keys that mean the same in every field.
pub(super) fn edit(field: &mut Composer, key: KeyEvent) {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    match key.code {
        KeyCode::Char('a') if control => field.home(),
        KeyCode::Char('e') if control => field.end(),
        KeyCode::Char('w') if control => field.delete_word(),
        KeyCode::Char('u') if control => field.delete_to_line_start(),
        KeyCode::Char('k') if control => field.delete_to_line_end(),
        KeyCode::Backspace if control || alt => field.delete_word(),
        KeyCode::Left if control || alt => field.word_left(),
        KeyCode::Right if control || alt => field.word_right(),
        KeyCode::Char('b') if alt => field.word_left(),
        KeyCode::Char('f') if alt => field.word_right(),
        // Control and Alt together are AltGr on some keyboards.
        KeyCode::Char(c) if control == alt => field.insert(&c.to_string()),
        KeyCode::Backspace => field.backspace(),
        KeyCode::Delete => field.delete(),
        KeyCode::Left => field.left(),
        KeyCode::Right => field.right(),
        KeyCode::Home => field.home(),
        KeyCode::End => field.end(),
        _ => {}
    }
}

/// By how many rows a key scrolls a dialog, down if positive.
fn rows_of(key: KeyCode) -> Option<i16> {
    Some(match key {
        KeyCode::Up | KeyCode::Char('k') => -1,
        KeyCode::Down | KeyCode::Char('j') => 1,
        KeyCode::PageUp => -10,
        KeyCode::PageDown => 10,
        _ => return None,
    })
}
