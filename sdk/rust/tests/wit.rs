//! The SDKs carry copies of the contract, so that they can be published; they must not drift.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

fn files(dir: &Path) -> BTreeMap<OsString, String> {
    let entries = fs::read_dir(dir).expect("the directory is in the repository");
    let paths = entries.map(|entry| entry.expect("the directory can be read").path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "wit"))
        .filter_map(|path| Some((path.file_name()?.to_owned(), fs::read_to_string(&path).ok()?)))
        .collect()
}

#[test]
fn copies_equal_the_contract() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let contract = files(&here.join("../../wit"));
    assert!(contract.contains_key(OsStr::new("world.wit")), "no contract in /wit");
    for copy in ["rust/wit", "js/wit", "go/wit/deps/job"] {
        let same = files(&here.join("..").join(copy)) == contract;
        assert!(same, "sdk/{copy} differs from wit; run `cp wit/*.wit sdk/{copy}/`");
    }
    let of_c = files(&here.join("../c/wit/deps"));
    let of_go = files(&here.join("../go/wit/deps"));
    assert!(of_c == of_go, "sdk/go/wit/deps differs from sdk/c/wit/deps");
}
