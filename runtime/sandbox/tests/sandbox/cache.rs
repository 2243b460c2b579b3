//! Compiled handlers on disk.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::handmade;
use crate::support::sandbox;

fn entries(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn load_into(dir: &Path, metered: bool) {
    let wasm = handmade::worker("(memory (export \"memory\") 1)");
    sandbox(Some(dir.to_owned())).load_bytes("cached", &wasm, metered).unwrap();
}

#[test]
fn keeps_one_entry_for_each_engine_and_uses_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cache");
    load_into(&dir, false);
    let first = entries(&dir, "cwasm");
    assert_eq!(first.len(), 1);
    // Held open, so that no other file gets its number.
    let written = fs::File::open(&first[0]).unwrap();
    load_into(&dir, false);
    let file = |meta: fs::Metadata| meta.ino();
    let found = file(fs::metadata(&first[0]).unwrap());
    assert_eq!(found, file(written.metadata().unwrap()), "it was compiled again");
    load_into(&dir, true);
    assert_eq!(entries(&dir, "cwasm").len(), 2, "metering is compiled in");
    assert!(entries(&dir, "tmp").is_empty());
}

#[test]
fn compiles_again_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cache");
    load_into(&dir, false);
    let code = entries(&dir, "cwasm").remove(0);
    let good = fs::read(&code).unwrap();

    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for bad in [flipped, good[..middle].to_vec(), Vec::new()] {
        fs::write(&code, &bad).unwrap();
        load_into(&dir, false);
        assert_ne!(fs::read(&code).unwrap(), bad, "the damaged entry is still there");
    }
}

#[test]
fn an_unsafe_directory_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    load_into(dir.path(), false);
    assert!(entries(dir.path(), "cwasm").is_empty());
}
