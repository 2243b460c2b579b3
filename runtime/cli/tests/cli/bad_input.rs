//! What is wrong is named with its place and its remedy, and the exit code says which kind it is.

use gristmill_queue::PrivateRedis;

use crate::support::{config, folder, run, scripted};

#[test]
fn every_problem_of_a_configuration_is_told_at_once() {
    let text = "[queues.email]\nconcurency = 5\n[queues.email.jobs.\"*\"]\nhandler = \"email.wasm\"\ntimeout = \"soon\"\n";
    let (_folder, file) = folder(text);
    let ran = run(&["worker", "--config", &file]);
    assert_eq!(ran.code, Some(64), "{}", ran.stderr);
    assert!(
        ran.stderr.contains(&format!(
            "{file}:2: unknown key `queues.email.concurency`; did you mean `concurrency`?"
        )),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr
            .contains(&format!("{file}:5: `queues.email.jobs.\"*\".timeout`: `soon` is not a duration")),
        "{}",
        ran.stderr
    );
}

#[test]
fn handlers_that_cannot_be_used_are_named_with_their_line() {
    let (folder, file) = folder(
        "[queues.a.jobs.\"*\"]\nhandler = \"scriptde.wasm\"\n[queues.b.jobs.\"*\"]\nhandler = \"core.wasm\"\n\
         [queues.c.jobs.\"*\"]\nhandler = \"text.wasm\"\n",
    );
    std::fs::copy(scripted(), folder.path().join("scripted.wasm")).unwrap();
    // The smallest core module: magic and version.
    std::fs::write(folder.path().join("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
    std::fs::write(folder.path().join("text.wasm"), "hello").unwrap();
    let ran = run(&["check", "--config", &file]);
    assert_eq!(ran.code, Some(64), "{}", ran.stderr);
    for (line, what) in
        [(2, "did you mean `scripted.wasm`?"), (4, "not a component"), (6, "is not WebAssembly")]
    {
        let place = format!("{file}:{line}: ");
        assert!(ran.stderr.lines().any(|l| l.contains(&place) && l.contains(what)), "{what}: {}", ran.stderr);
    }
}

#[test]
fn a_redis_that_is_away_is_exit_69() {
    let (_folder, file) = folder(&config("redis://127.0.0.1:1", ""));
    for arguments in
        [&["worker", "--config", &file][..], &["--redis", "redis://127.0.0.1:1", "queue", "list"]]
    {
        let ran = run(arguments);
        assert_eq!(ran.code, Some(69), "{}", ran.stderr);
        assert!(ran.stderr.contains("Redis at 127.0.0.1:1"), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    }
}

#[test]
fn a_missing_configuration_and_wrong_words_are_exit_64() {
    for arguments in
        [&["worker", "--config", "nowhere.toml"][..], &["wrok"], &["run"], &["run", "nowhere.wasm"]]
    {
        let ran = run(arguments);
        assert_eq!(ran.code, Some(64), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn data_that_is_not_json_is_refused_before_anything_is_added() {
    let redis = PrivateRedis::start().await.unwrap();
    let ran = run(&["--redis", &redis.url(), "job", "add", "q", "n", "--data", "{broken"]);
    assert_eq!(ran.code, Some(64));
    assert!(ran.stderr.contains("not JSON"), "{}", ran.stderr);
    let list = run(&["--redis", &redis.url(), "queue", "list", "--json"]);
    assert_eq!(list.stdout.trim(), "[]");
}

#[test]
fn check_prints_every_value_with_its_source() {
    let (_folder, file) = folder(&config("redis://:hunter2@127.0.0.1:1", "[queues.q]\nconcurrency = 3"));
    let mut command = crate::support::gristmill(&["check", "--config", &file, "--json"]);
    let ran: crate::support::Ran = command.env("TIMEOUT_Q", "1500").output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let values = report["values"].as_array().unwrap();
    let value = |key: &str| values.iter().find(|v| v["key"] == key).unwrap().clone();
    assert_eq!(value("queues.q.jobs.\"*\".timeout")["source"], "$TIMEOUT_Q");
    assert_eq!(value("queues.q.concurrency")["value"], "3");
    assert_eq!(value("redis.prefix")["source"], "default");
}
