//! Passes: who may knock as an acquaintance. Knocks themselves are entries (`accept`).

use std::sync::Arc;

use alcyon_wire::RefusalCode;

use super::{engine::Engine, records::pass_key, requests::PassesRequest, rules};
use crate::{
    Refusal,
    store::{Store, Table},
};

impl<S: Store> Engine<S> {
    /// Adds and drops passes of an inbox; what is there or gone already stays so.
    pub fn set_passes(&mut self, request: PassesRequest) -> Result<(), Refusal> {
        let PassesRequest { log, seat, added, dropped } = request;
        let at = self.at(log)?;
        let limit = self.shared.settings.passes;
        let space = self.room_on_disk();
        let staged = &mut self.staged[at];
        rules::live(rules::known_seat(&staged.state, seat)?)?;
        rules::inbox(&staged.state)?;
        if !added.is_empty() {
            space?;
        }
        let mut passes = (*staged.state.passes).clone();
        for pass in &dropped {
            if passes.remove(pass) {
                self.batch.remove(Table::Passes, &pass_key(log, *pass));
            }
        }
        let before = passes.len();
        passes.extend(&added);
        if passes.len() > limit {
            return Err(Refusal::never(RefusalCode::TooMany, "the inbox has as many passes as it may"));
        }
        if passes.len() > before {
            for pass in &added {
                self.batch.put(Table::Passes, &pass_key(log, *pass), &[]);
            }
        }
        staged.state.passes = Arc::new(passes);
        staged.touch();
        Ok(())
    }
}
