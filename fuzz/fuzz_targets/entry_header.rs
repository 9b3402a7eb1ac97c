//! An entry's header: what is accepted is written down as the same facts.
#![no_main]

use alcyon_wire::HeaderFacts;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(facts) = HeaderFacts::parse(data) {
        assert_eq!(HeaderFacts::parse(&facts.encode()), Ok(facts));
    }
});
