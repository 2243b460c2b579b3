//! `gristmill dev`: serves a folder and swaps a handler whose file changes.

use crate::support::{Running, gristmill, guest, run, scripted};

#[test]
fn a_handler_is_swapped_when_its_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("greeter.wasm");
    std::fs::copy(scripted(), &file).unwrap();
    let mut dev = Running::start(&mut gristmill(&["dev", &folder.path().display().to_string()]));
    // The line that shows how to add a job carries the address of the private Redis.
    let line = dev.line_with("job add greeter");
    let redis = line.split_whitespace().skip_while(|w| *w != "--redis").nth(1).unwrap().to_owned();
    let add =
        |data: &str| run(&["--redis", &redis, "job", "add", "greeter", "try", "--data", data, "--wait"]);

    let first = add(r#"{"steps":[{"op":"return","value":"scripted"}]}"#);
    assert_eq!(first.stdout, "\"scripted\"\n", "{}", first.stderr);

    // A broken build changes nothing.
    std::fs::write(&file, "not wasm").unwrap();
    dev.line_with("the old handler stays");
    assert_eq!(add(r#"{"steps":[{"op":"return","value":"still"}]}"#).stdout, "\"still\"\n");

    std::fs::copy(guest("hash"), &file).unwrap();
    dev.line_with("handler swapped");
    let swapped = add(r#"{"text":"abc","rounds":1}"#);
    assert!(
        swapped.stdout.contains("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        "{}",
        swapped.stderr
    );

    dev.signal("INT");
    assert_eq!(dev.wait(), Some(0), "{:#?}", dev.seen);
}
