//! What is known to be read differently is refused or read as the stock readers do, and so is what the first seeds make.
//!
//! `cargo xtask test` builds the oracle; by hand, `cargo xtask tools oracle` does, and PORTOLAN_TOOLS is the folder that it names.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use portolan_fuzz::{
    compare::{Outcome, compare},
    formats::{self, Format},
    oracle::Oracle,
    run::{Plan, run},
    shapes, text,
};

/// How many inputs of each format the gate tries, which takes a second or two.
const INPUTS: u64 = 3_000;

fn oracle() -> PathBuf {
    let tools = std::env::var_os("PORTOLAN_TOOLS").expect("PORTOLAN_TOOLS is the folder that `cargo xtask tools oracle` names");
    Path::new(&tools).join("oracle")
}

/// Says what is wrong with a known input, if anything is.
fn complaint(format: &Format, oracle: &mut Oracle, shape: &shapes::Shape) -> Option<String> {
    let outcome = compare(format, oracle, &shape.input).expect("the oracle answers");
    let ours = (format.read)(&shape.input);
    let is_right = match (&outcome, shape.refused) {
        (Outcome::Same, None) => true,
        (Outcome::Refused | Outcome::Stricter(_), Some(error)) => ours.as_ref().is_err_and(|reason| reason.contains(error)),
        _ => false,
    };
    (!is_right).then(|| {
        format!(
            "{}, {}: expected {:?}, is {outcome:?} {ours:?}",
            format.name, shape.name, shape.refused
        )
    })
}

#[test]
fn known_inputs_are_read_in_one_way() {
    let mut oracle = Oracle::start(&oracle()).unwrap();
    let mut complaints = Vec::new();
    for format in formats::ALL {
        let shapes = shapes::of(format.name);
        assert!(!shapes.is_empty(), "no input of {} is known", format.name);
        complaints.extend(shapes.iter().filter_map(|shape| complaint(format, &mut oracle, shape)));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn what_was_once_found_is_read_in_one_way() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut oracle = Oracle::start(&oracle()).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let format = name.split_once('-').and_then(|(format, _)| formats::named(format));
        let format = format.unwrap_or_else(|| panic!("{name} does not begin with a format and a hyphen"));
        let input = text::read(&fs::read_to_string(&path).unwrap()).unwrap();
        let outcome = compare(format, &mut oracle, &input).unwrap();
        assert!(!matches!(outcome, Outcome::Difference(_)), "{name}: {outcome:?}");
    }
}

#[test]
fn a_difference_is_made_small_and_can_be_replayed() {
    // A reader that takes no notice of what is in an array sees something else in every array that is not empty.
    let careless = Format {
        name: "json",
        generate: formats::json::generate,
        read: |input| match serde_json::from_slice(input) {
            Ok(serde_json::Value::Array(_)) => Ok(serde_json::json!({ "whole": [] })),
            _ => Err("no array".to_owned()),
        },
    };
    let folder = std::env::temp_dir().join(format!("portolan-fuzz-small-{}", std::process::id()));
    let plan = Plan {
        oracle: oracle(),
        seed: 1,
        time: Duration::MAX,
        inputs: 500,
        folder: folder.clone(),
    };
    let tally = run(&plan, &careless).unwrap();
    let inputs: Vec<Vec<u8>> = (tally.differences.iter())
        .map(|path| text::read(&fs::read_to_string(path).unwrap()).unwrap())
        .collect();
    fs::remove_dir_all(&folder).unwrap();
    assert!(!inputs.is_empty());
    for input in inputs {
        let shown = String::from_utf8_lossy(&input).into_owned();
        assert!(
            input.len() <= 3 + 2,
            "{shown} is not as small as an array of one digit can be"
        );
        let again = compare(&careless, &mut Oracle::start(&plan.oracle).unwrap(), &input).unwrap();
        assert!(matches!(again, Outcome::Difference(_)), "{shown}: {again:?}");
    }
}

#[test]
fn the_first_seeds_find_no_difference() {
    for format in formats::ALL {
        let plan = Plan {
            oracle: oracle(),
            seed: 1,
            time: Duration::MAX,
            inputs: INPUTS,
            folder: std::env::temp_dir().join(format!("portolan-fuzz-{}", std::process::id())),
        };
        let tally = run(&plan, format).unwrap();
        assert!(tally.differences.is_empty(), "{}: {:?}", format.name, tally.differences);
        assert!(
            tally.accepted > INPUTS / 50,
            "{}: of {INPUTS} inputs {} are read",
            format.name,
            tally.accepted
        );
    }
}
