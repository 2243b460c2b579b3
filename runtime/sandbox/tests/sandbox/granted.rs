//! What a job type grants: environment, secrets, directories.

use std::sync::{Arc, Mutex};

use gristmill_core::outcome::{Failure, Outcome};
use gristmill_sandbox::{Allow, Denied, Directory, Quota, Report, Secret, SecretSource};
use serde_json::{Value, json};

use crate::support::{Recorder, Trial, guest, shared, trial};

async fn granted(allow: Allow, what: Value) -> (Arc<Recorder>, Report) {
    let module = shared().load(&guest("granted"), false).unwrap();
    let trial = Trial { allow, ..trial(module, json!([])) };
    let mut attempt = trial.attempt();
    attempt.job.data = what.to_string().into_bytes();
    let report = shared().run(&trial.module, attempt).await;
    (trial.host, report)
}

fn returned(report: &Report) -> Value {
    match &report.outcome {
        Outcome::Returned(Some(json)) => serde_json::from_slice(json).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn failure(report: Report) -> Failure {
    match report.outcome {
        Outcome::Retryable(failure) | Outcome::Permanent(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_environment_is_what_is_listed() {
    let allow = Allow { env: vec![("MODE".into(), "production".into())], ..Allow::default() };
    let (_, report) = granted(allow.clone(), json!({"variable": "MODE"})).await;
    assert_eq!(returned(&report), "production");
    let (_, report) = granted(allow, json!({"variable": "PATH"})).await;
    assert!(failure(report).message.contains("not found"));
}

fn with_secret(value: &str) -> (tempfile::NamedTempFile, Allow) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), value).unwrap();
    let secret = Secret { name: "KEY".into(), source: SecretSource::File(file.path().to_owned()) };
    (file, Allow { secrets: vec![secret], ..Allow::default() })
}

#[tokio::test]
async fn a_secret_is_read_anew_each_time() {
    let (file, allow) = with_secret("first-one\n");
    let (_, report) = granted(allow.clone(), json!({"secret": "KEY"})).await;
    assert_eq!(returned(&report), "first-one");
    std::fs::write(file.path(), "second-one").unwrap();
    let (_, report) = granted(allow.clone(), json!({"secret": "KEY"})).await;
    assert_eq!(returned(&report), "second-one");
    drop(file);
    let (_, report) = granted(allow, json!({"secret": "KEY"})).await;
    assert!(failure(report).message.contains("cannot be read"));
}

#[tokio::test]
async fn another_secret_is_denied_and_counted() {
    let (_file, allow) = with_secret("s3cr3t-value");
    let (host, report) = granted(allow, json!({"secret": "OTHER"})).await;
    assert!(matches!(report.outcome, Outcome::Permanent(_)), "{:?}", report.outcome);
    assert_eq!(*host.denied.lock().unwrap(), [Denied::Secret]);
    assert_eq!(host.lines(), ["secrets: `OTHER` is not in `allow.secrets`"]);
}

#[tokio::test]
async fn a_secret_is_in_no_log_line_and_no_failure() {
    let (_file, allow) = with_secret("s3cr3t-value");
    let (host, report) = granted(allow, json!({"tell": "KEY"})).await;
    assert_eq!(host.lines(), ["the secret is *** secret=***", "printed ***"]);
    let shown = format!("{report:?}{}", report.explanation());
    assert!(!shown.contains("s3cr3t"), "{shown}");
    assert_eq!(failure(report).message, "cannot log in with ***");
}

fn with_directory(writable: bool, disk: u64) -> (tempfile::TempDir, Allow) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("there"), "content").unwrap();
    let directory = Directory { host: dir.path().to_owned(), guest: "/data".into(), writable };
    let quota = writable.then(|| Arc::new(Quota::new(vec![dir.path().to_owned()], disk)));
    (dir, Allow { directories: vec![directory], quota, ..Allow::default() })
}

#[tokio::test]
async fn a_directory_is_read_and_not_written() {
    let (dir, allow) = with_directory(false, 0);
    let (_, report) = granted(allow.clone(), json!({"read": "/data/there"})).await;
    assert_eq!(returned(&report), "content");
    let (_, report) = granted(allow, json!({"write": ["/data/new", 1]})).await;
    failure(report);
    assert!(!dir.path().join("new").exists());
}

#[rstest::rstest]
#[case("/data/../outside")]
#[case("/data/link/outside")]
#[case("/etc/hosts")]
#[tokio::test]
async fn nothing_outside_is_reached(#[case] path: &str) {
    let (dir, allow) = with_directory(true, 1 << 20);
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("link")).unwrap();
    let (_, report) = granted(allow.clone(), json!({"write": [path, 1]})).await;
    failure(report);
    let (_, report) = granted(allow, json!({"read": path})).await;
    failure(report);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn writing_ends_where_the_room_ends() {
    let (dir, allow) = with_directory(true, 100_000);
    let (_, report) = granted(allow.clone(), json!({"write": ["/data/a", 50_000]})).await;
    assert_eq!(returned(&report), "written");
    let (host, report) = granted(allow.clone(), json!({"write": ["/data/b", 200_000]})).await;
    failure(report);
    assert!(host.denied.lock().unwrap().contains(&Denied::Disk));
    let held: u64 =
        std::fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
    assert!(held <= 100_000, "{held} bytes are there");
    // Many attempts at a time share the room.
    let all: Vec<_> =
        (0..8).map(|n| granted(allow.clone(), json!({"write": [format!("/data/c{n}"), 20_000]}))).collect();
    let written = Mutex::new(0);
    for attempt in all {
        let (_, report) = attempt.await;
        *written.lock().unwrap() += u32::from(matches!(report.outcome, Outcome::Returned(_)));
    }
    assert!(*written.lock().unwrap() <= 2);
}
