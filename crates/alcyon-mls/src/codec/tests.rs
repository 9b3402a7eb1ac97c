#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, de::DeserializeOwned};

use super::*;

/// Every form that serde's model of data has, but numbers of sixteen bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct All {
    yes: bool,
    small: (u8, u16, u32, u64),
    below: (i8, i16, i32, i64),
    fractions: (f32, f64),
    letter: char,
    text: String,
    bytes: Vec<u8>,
    maybe: Option<Box<All>>,
    nothing: (),
    unit: Unit,
    wrapped: Wrapped,
    pair: Pair,
    list: Vec<Form>,
    map: BTreeMap<u32, Form>,
    #[serde(default)]
    later: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapped(Vec<u8>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair(u8, String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Form {
    Name,
    Wraps(Vec<u16>),
    Holds(u8, Option<i64>),
    Has { bytes: Vec<u8>, also: Any },
}

/// Takes what is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Any {
    Number(u64),
    Text(String),
    List(Vec<i32>),
    Fields { one: u8 },
}

fn form() -> impl Strategy<Value = Form> {
    let anything = prop_oneof![
        any::<u64>().prop_map(Any::Number),
        ".{0,40}".prop_map(Any::Text),
        prop::collection::vec(any::<i32>(), 0..20).prop_map(Any::List),
        any::<u8>().prop_map(|one| Any::Fields { one }),
    ];
    prop_oneof![
        Just(Form::Name),
        prop::collection::vec(any::<u16>(), 0..20).prop_map(Form::Wraps),
        (any::<u8>(), any::<Option<i64>>()).prop_map(|(one, other)| Form::Holds(one, other)),
        (prop::collection::vec(any::<u8>(), 0..300), anything).prop_map(|(bytes, also)| Form::Has { bytes, also }),
    ]
}

fn everything() -> impl Strategy<Value = All> {
    let numbers = (any::<bool>(), any::<(u8, u16, u32, u64)>(), any::<(i8, i16, i32, i64)>(), any::<(f32, f64)>());
    let strings = (any::<char>(), ".{0,300}", prop::collection::vec(any::<u8>(), 0..70_000));
    let rest = (
        prop::collection::vec(any::<u8>(), 0..40),
        (any::<u8>(), ".{0,10}"),
        prop::collection::vec(form(), 0..20),
        prop::collection::btree_map(any::<u32>(), form(), 0..20),
        any::<Option<u8>>(),
    );
    let leaf =
        (numbers, strings, rest).prop_map(|((yes, small, below, fractions), (letter, text, bytes), (wrapped, pair, list, map, later))| {
            All {
                yes,
                small,
                below,
                fractions,
                letter,
                text,
                bytes,
                maybe: None,
                nothing: (),
                unit: Unit,
                wrapped: Wrapped(wrapped),
                pair: Pair(pair.0, pair.1),
                list,
                map,
                later,
            }
        });
    let leaf = leaf.boxed();
    (leaf.clone(), prop::option::of(leaf)).prop_map(|(outer, inner)| All { maybe: inner.map(Box::new), ..outer })
}

fn both<T: DeserializeOwned + std::fmt::Debug>(bytes: &[u8]) -> (Result<String, String>, Result<String, String>) {
    let ours = read::<T>(bytes).map(|value| format!("{value:?}")).map_err(|error| error.to_string());
    let theirs = rmp_serde::from_slice::<T>(bytes).map(|value| format!("{value:?}")).map_err(|error| error.to_string());
    (ours, theirs)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_written_is_read(all in everything()) {
        let bytes = value(&all).unwrap();
        prop_assert_eq!(&read::<All>(&bytes).unwrap(), &all);
        prop_assert_eq!(&rmp_serde::from_slice::<All>(&bytes).unwrap(), &all);
    }

    #[test]
    fn what_is_damaged_is_read_as_the_other_reader_does_or_refused(all in everything(), at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let all = All { bytes: Vec::new(), ..all };
        let mut bytes = value(&all).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let (ours, theirs) = both::<All>(&bytes);
        prop_assert!(ours.is_err() || ours == theirs, "{ours:?} {theirs:?}");
        let cut = cut.index(bytes.len());
        prop_assert!(read::<All>(&bytes[..cut]).is_err());
    }

    #[test]
    fn any_bytes_are_taken_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (ours, theirs) = both::<Form>(&bytes);
        prop_assert!(ours.is_err() || ours == theirs);
        let (ours, theirs) = both::<Vec<Any>>(&bytes);
        prop_assert!(ours.is_err() || ours == theirs);
    }
}

#[test]
fn a_field_that_came_later_is_absent_from_older_rows_and_one_that_went_is_skipped() {
    #[derive(Serialize)]
    struct Old {
        kept: u8,
        gone: BTreeMap<u8, Vec<Option<String>>>,
        bytes: Vec<u8>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct New {
        kept: u8,
        #[serde(default)]
        later: Option<String>,
    }
    let gone = BTreeMap::from([(1, vec![Some("a".to_owned()), None]), (2, vec![])]);
    let bytes = value(&Old { kept: 7, gone, bytes: vec![1, 2, 3] }).unwrap();
    assert_eq!(read::<New>(&bytes).unwrap(), New { kept: 7, later: None });
}

#[test]
fn each_defect_is_named() {
    let defect = |error: Result<Vec<u64>, ReadError>| error.unwrap_err().to_string();
    assert_eq!(defect(read(&[])), "the row ends in the middle of a value");
    assert_eq!(defect(read(&[0x92, 1])), "the row ends in the middle of a value");
    assert_eq!(defect(read(&[0x91, 1, 9])), "the row goes on for 1 bytes behind its value");
    assert_eq!(defect(read(&[0x81, 1, 1])), "a map where a list should be");
    assert_eq!(defect(read(&[0x91, 0xa1, b'a'])), "text where a number should be");
    assert_eq!(defect(read(&[0xd4, 0, 0])), "an extension where a value should be");
    assert_eq!(read::<(u8,)>(&[0x92, 1, 2]).unwrap_err().to_string(), "a list or a map has 1 more than its type takes");
    assert_eq!(read::<u8>(&[0xcd, 1, 0]).unwrap_err().to_string(), "invalid value: integer `256`, expected u8");
    // A length that nothing stands behind claims no memory.
    assert_eq!(defect(read(&[0xdd, 0xff, 0xff, 0xff, 0xff])), "the row ends in the middle of a value");
}

#[test]
fn what_is_deeper_than_any_value_is_refused_before_the_stack_ends() {
    #[derive(Debug, Deserialize)]
    struct Deep(#[allow(dead_code)] Vec<Deep>);
    let mut bytes = vec![0x91; 100_000];
    bytes.push(0x90);
    assert_eq!(read::<Deep>(&bytes).unwrap_err().to_string(), "lists and maps are more than 128 deep");
}
