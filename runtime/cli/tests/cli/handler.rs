//! Handlers in the registry: pushed, served, tried, taken back, and what is wrong with those that are not.

use std::path::Path;

use gristmill_queue::PrivateRedis;
use serde_json::Value;

use crate::support::{Ran, Running, folder, gristmill, guest, run, scripted};

struct Registry {
    redis: PrivateRedis,
    folder: tempfile::TempDir,
    config: String,
}

impl Registry {
    async fn start(more: &str) -> Self {
        let redis = PrivateRedis::start().await.unwrap();
        let text = format!(
            "[redis]\nurl = \"{}\"\n[server]\nlisten = \"127.0.0.1:0\"\n\
             [queues.q.jobs.\"*\"]\nhandler = \"scripted\"\ntimeout = \"2s\"\nmemory = \"8MiB\"\n{more}\n",
            redis.url()
        );
        let (folder, config) = folder(&text);
        Self { redis, folder, config }
    }

    fn worker(&self) -> Running {
        let mut worker = Running::start(&mut gristmill(&["worker", "--config", &self.config]));
        worker.line_with("serving");
        worker
    }

    fn cli(&self, arguments: &[&str]) -> Ran {
        run(&[&["--config", self.config.as_str()], arguments].concat())
    }

    fn push(&self, file: &Path, more: &[&str]) -> Ran {
        let file = file.display().to_string();
        self.cli(&[&["handler", "push", &file, "--queue", "q"], more].concat())
    }

    /// Runs a job, and answers the digest that it is said to have run on.
    fn job(&self, id: &str) -> String {
        let ran = self.cli(&["job", "add", "q", "n", "--data", "{}", "--job-id", id, "--wait"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let shown = self.cli(&["job", "show", "q", id, "--json"]);
        let job: Value = serde_json::from_str(&shown.stdout).unwrap();
        job["fields"]["gmd"].as_str().unwrap_or_default().to_owned()
    }

    /// Bytes in the test's folder.
    fn file(&self, name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The scripted handler with something at its end that only changes its digest.
    fn version(&self, n: u8) -> std::path::PathBuf {
        let mut wasm = std::fs::read(scripted()).unwrap();
        wasm.extend([0, 3, 1, b'v', n]);
        self.file(&format!("v{n}.wasm"), &wasm)
    }
}

/// The digest that a push has printed.
fn pushed(ran: &Ran) -> String {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let digest = ran.stdout.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap();
    digest.trim_end_matches(',').to_owned()
}

#[tokio::test]
async fn a_worker_waits_for_its_handler_and_follows_what_is_deployed() {
    let registry = Registry::start("").await;
    let mut worker = registry.worker();
    let added = registry.cli(&["job", "add", "q", "early", "--data", "{}"]);
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    let first = pushed(&registry.push(&registry.version(1), &["--version", "1.0"]));
    worker.line_with(&first);
    assert_eq!(registry.job("a"), first);
    assert!(
        registry.cli(&["job", "show", "q", "1"]).stdout.contains("completed"),
        "it was not failed meanwhile"
    );

    let second = pushed(&registry.push(&registry.version(2), &[]));
    worker.line_with(&second);
    assert_eq!(registry.job("b"), second);
    assert_eq!(registry.cli(&["handler", "rollback", "--queue", "q", "--reason", "bad luck"]).code, Some(0));
    worker.line_with(&format!("revision=3 digest=\"{first}\""));
    assert_eq!(registry.job("c"), first);

    let canary = pushed(&registry.push(&registry.version(3), &["--canary", "99%"]));
    worker.line_with(&format!("canary=\"{canary}\""));
    assert_eq!(registry.cli(&["handler", "promote", "--queue", "q"]).code, Some(0));
    worker.line_with("revision=5");
    assert_eq!(registry.job("d"), canary);

    let shown = registry.cli(&["handler", "show", "--queue", "q", "--json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let actions: Vec<_> =
        shown["history"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["promote", "canary", "rollback", "deploy", "deploy"]);
    assert_eq!(shown["history"][2]["reason"], "bad luck");
    let shown = registry.cli(&["handler", "show", "--digest", &first[7..15], "--json"]);
    let module: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((module["version"].as_str(), module["name"].as_str()), (Some("1.0"), Some("scripted")));
}

/// A worker that comes later serves it too; one whose Redis has lost all goes on with what it has.
#[tokio::test]
async fn data_that_redis_loses_changes_nothing_for_workers_that_run() {
    let registry = Registry::start("").await;
    let digest = pushed(&registry.push(&scripted(), &[]));
    let mut worker = registry.worker();
    worker.line_with(&digest);
    let client = redis::Client::open(registry.redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let _: () = redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
    assert_eq!(registry.job("e"), digest);
    let shown = registry.cli(&["handler", "show", "--queue", "q"]);
    assert!(shown.stderr.contains("nothing is deployed for job type `*` of queue `q`"), "{}", shown.stderr);
    assert_eq!(pushed(&registry.push(&scripted(), &[])), digest, "it is deployed again by pushing it");
}

/// What is deployed and cannot be run here is told of; what is served stays.
#[tokio::test]
async fn a_version_that_cannot_be_served_leaves_the_one_before() {
    let registry = Registry::start("").await;
    let first = pushed(&registry.push(&registry.version(1), &[]));
    let mut worker = registry.worker();
    worker.line_with(&first);
    let second = pushed(&registry.push(&registry.version(2), &["--canary", "99%"]));
    worker.line_with(&second);
    let client = redis::Client::open(registry.redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let third = registry.version(3).display().to_string();
    let url = registry.redis.url();
    let third = ["--redis", &url, "handler", "push", &third, "--queue", "other", "--name", "scripted"];
    let third =
        pushed(&gristmill(&third).current_dir(registry.folder.path().join("..")).output().unwrap().into());
    let _: () = redis::cmd("HSET")
        .arg(format!("gristmill:{{{}}}:module", &third[7..]))
        .arg("0")
        .arg("nonsense")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(registry.cli(&["handler", "rollback", "--queue", "q", "--to", &third]).code, Some(0));
    let line = worker.line_with("cannot be served here");
    assert!(line.contains("is damaged in the registry"), "{line}");
    assert!([first, second].contains(&registry.job("f")));
}

#[tokio::test]
async fn what_is_no_handler_is_refused_before_anything_is_sent() {
    let registry = Registry::start("").await;
    let wasm = std::fs::read(scripted()).unwrap();
    let handmade = |name: &str| guest(&format!("handmade/{name}"));
    let other = wit_of_tomorrow(&wasm);
    for (file, message) in [
        (registry.file("cut.wasm", &wasm[..wasm.len() / 2]), "is not a valid component"),
        (registry.file("elf.wasm", b"\x7fELF and more"), "machine code"),
        (registry.file("core.wasm", b"\0asm\x01\0\0\0"), "core WebAssembly module"),
        (registry.file("tomorrow.wasm", &other), "gristmill:job/handler@0.9."),
        (handmade("loops-at-its-start"), "cannot start: timeout:"),
        (handmade("starts-large"), "raise `memory` of its job type"),
        (registry.folder.path().join("missing.wasm"), "does not exist"),
    ] {
        let ran = registry.push(&file, &["--name", "scripted"]);
        assert!(ran.code != Some(0) && ran.stderr.contains(message), "{}: {}", file.display(), ran.stderr);
    }
    assert_eq!(registry.cli(&["handler", "list", "--json"]).stdout.matches("sha256:").count(), 0);
}

/// The same component, but for a version of the contract that this host does not know.
fn wit_of_tomorrow(wasm: &[u8]) -> Vec<u8> {
    let (old, new) = (b"gristmill:job/handler@0.1.0", b"gristmill:job/handler@0.9.0");
    let mut wasm = wasm.to_vec();
    let at: Vec<_> = (0..wasm.len() - old.len()).filter(|at| wasm[*at..].starts_with(old)).collect();
    assert!(!at.is_empty());
    for at in at {
        wasm[at..at + new.len()].copy_from_slice(new);
    }
    wasm
}

#[tokio::test]
async fn names_and_targets_that_do_not_fit_are_told() {
    let registry = Registry::start("[queues.filed.jobs.\"*\"]\nhandler = \"scripted.wasm\"\n").await;
    std::fs::copy(scripted(), registry.folder.path().join("scripted.wasm")).unwrap();
    let file = scripted();
    let file = file.to_str().unwrap();
    for (arguments, message) in [
        (vec!["--queue", "qq"], "no queue of the configuration is called `qq`; did you mean `q`?"),
        (vec!["--queue", "q", "--job", "x"], "queue `q` has no job type `x`"),
        (vec!["--queue", "q", "--name", "email"], "names the handler `scripted`"),
        (vec!["--queue", "filed"], "is served by the file"),
        (vec!["--queue", "q", "--canary", "10%"], "nothing is deployed there yet"),
        (vec!["--queue", "q", "--canary", "100%"], "1% to 99%"),
        (vec!["--queue", "q", "--promote-after", "5s"], "--canary"),
    ] {
        let ran = registry.cli(&[&["handler", "push", file], &arguments[..]].concat());
        assert!(ran.code != Some(0) && ran.stderr.contains(message), "{arguments:?}: {}", ran.stderr);
    }
    let ran = registry.cli(&["handler", "promote", "--queue", "q"]);
    assert!(ran.stderr.contains("nothing is deployed there yet"), "{}", ran.stderr);
}

#[tokio::test]
async fn two_pushes_at_the_same_time_come_one_after_the_other() {
    let registry = Registry::start("").await;
    let files: Vec<_> = (1..=4).map(|n| registry.version(n).display().to_string()).collect();
    let running: Vec<_> = files
        .iter()
        .map(|file| {
            let arguments = ["--config", registry.config.as_str(), "handler", "push", file, "--queue", "q"];
            gristmill(&arguments).stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let shown = registry.cli(&["handler", "show", "--queue", "q", "--json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((shown["revision"].as_u64(), shown["previous"].as_array().unwrap().len()), (Some(4), 3));
}

/// The handler is named by the job type: one of the two must be told that the file has another name by now, whoever is first.
#[tokio::test]
async fn one_file_pushed_to_two_handlers_at_once_serves_one() {
    let registry = Registry::start("[queues.other.jobs.\"*\"]\nhandler = \"other\"\n").await;
    for n in 1..=5 {
        let file = registry.version(n).display().to_string();
        let running = ["q", "other"].map(|queue| {
            let arguments =
                ["--config", registry.config.as_str(), "handler", "push", &file, "--queue", queue];
            gristmill(&arguments).stderr(std::process::Stdio::piped()).spawn().unwrap()
        });
        let outputs = running.map(|child| child.wait_with_output().unwrap());
        let refused: Vec<_> = outputs.iter().filter(|output| !output.status.success()).collect();
        assert_eq!(refused.len(), 1, "{outputs:?}");
        let why = String::from_utf8_lossy(&refused[0].stderr);
        assert!(why.contains("so it cannot be"), "{why}");
    }
}

#[tokio::test]
async fn the_same_push_twice_at_once_succeeds_twice() {
    let registry = Registry::start("").await;
    let file = registry.version(1).display().to_string();
    let running = [(); 3].map(|()| {
        let arguments = ["--config", registry.config.as_str(), "handler", "push", &file, "--queue", "q"];
        gristmill(&arguments).stderr(std::process::Stdio::piped()).spawn().unwrap()
    });
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Keys, and a configuration that trusts the first.
async fn signed() -> (Registry, [std::path::PathBuf; 2]) {
    let registry =
        Registry::start("[registry]\nrequire = \"signed\"\ntrusted_keys = [\"ours.pub.pem\"]\n").await;
    let keys = ["ours", "theirs"].map(|name| {
        let path = registry.folder.path().join(name);
        // Before there is a configuration that names the key.
        let made = run(&["handler", "keygen", path.to_str().unwrap()]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        path.with_extension("pem")
    });
    (registry, keys)
}

#[tokio::test]
async fn only_what_a_trusted_key_has_signed_is_pushed() {
    let (registry, [ours, theirs]) = signed().await;
    let [ours, theirs] = [ours.to_str().unwrap(), theirs.to_str().unwrap()];
    let file = registry.version(1);
    let refused =
        |ran: Ran, why: &str| assert!(ran.code == Some(64) && ran.stderr.contains(why), "{}", ran.stderr);
    refused(registry.push(&file, &[]), "is not signed");
    refused(registry.push(&file, &["--key", theirs]), "none of these is among `registry.trusted_keys`");
    let path = file.to_str().unwrap();
    assert_eq!(registry.cli(&["handler", "sign", path, "--key", ours]).code, Some(0));
    assert_eq!(registry.cli(&["handler", "verify", path]).code, Some(0));
    let by_theirs = registry.folder.path().join("theirs.pub.pem");
    let ran = registry.cli(&["handler", "verify", path, "--key", by_theirs.to_str().unwrap()]);
    assert!(ran.code == Some(1) && ran.stdout.contains("not among these"), "{}", ran.stdout);

    // One byte of the file.
    let mut wasm = std::fs::read(&file).unwrap();
    *wasm.last_mut().unwrap() ^= 1;
    let tampered = registry.file("tampered.wasm", &wasm);
    std::fs::copy(format!("{path}.sig"), registry.folder.path().join("tampered.wasm.sig")).unwrap();
    refused(registry.push(&tampered, &[]), "does not fit; the module or the signature was changed");
    let ran = registry.cli(&["handler", "verify", tampered.to_str().unwrap()]);
    assert!(ran.code == Some(1) && ran.stdout.contains("was changed"), "{}", ran.stdout);

    let digest = pushed(&registry.push(&file, &[]));
    let mut worker = registry.worker();
    worker.line_with(&digest);
    assert_eq!(registry.job("signed"), digest);
}

/// Whoever can write into Redis, or pushes with a laxer configuration, cannot make a worker run it.
#[tokio::test]
async fn a_worker_checks_again_what_it_is_given() {
    let (registry, [ours, theirs]) = signed().await;
    let first = pushed(&registry.push(&registry.version(1), &["--key", ours.to_str().unwrap()]));
    let mut worker = registry.worker();
    worker.line_with(&first);
    let url = registry.redis.url();
    let lax = |n: u8, key: &[&str]| {
        let file = registry.version(n).display().to_string();
        let arguments =
            [&["--redis", &url, "handler", "push", &file, "--queue", "q", "--name", "scripted"], key]
                .concat();
        pushed(&gristmill(&arguments).current_dir("/").output().unwrap().into())
    };
    for (n, key, why) in [(2, None, "is not signed"), (3, Some(&theirs), "none of these is among")] {
        let key: Vec<&str> = key.iter().flat_map(|key| ["--key", key.to_str().unwrap()]).collect();
        let digest = lax(n, &key);
        let line = worker.line_with("cannot be served here");
        assert!(line.contains(&digest) && line.contains(why), "{line}");
    }
    assert_eq!(registry.job("still"), first);

    // Taken back by its digest, whoever signed it.
    let text = std::fs::read_to_string(&registry.config).unwrap();
    let revoked = text.replace("[registry]\n", &format!("[registry]\nrevoked = [\"{first}\"]\n"));
    std::fs::write(&registry.config, revoked).unwrap();
    let to_first = registry.cli(&["handler", "rollback", "--queue", "q", "--to", &first]);
    assert!(to_first.code == Some(64) && to_first.stderr.contains("is revoked"), "{}", to_first.stderr);
    let anyhow = ["--redis", &url, "handler", "rollback", "--queue", "q", "--to", &first];
    let anyhow: Ran = gristmill(&anyhow).current_dir("/").output().unwrap().into();
    assert_eq!(anyhow.code, Some(0), "{}", anyhow.stderr);
    let mut later = Running::start(&mut gristmill(&["worker", "--config", &registry.config]));
    let line = later.line_with("cannot be served here");
    assert!(line.contains("is revoked by `registry.revoked`"), "{line}");
}

#[tokio::test]
async fn files_need_a_signature_beside_them() {
    let more = "[registry]\nrequire = \"signed\"\ntrusted_keys = [\"ours.pub.pem\"]\n\
                [queues.filed.jobs.\"*\"]\nhandler = \"scripted.wasm\"\n";
    let registry = Registry::start(more).await;
    let key = registry.folder.path().join("ours");
    assert_eq!(run(&["handler", "keygen", key.to_str().unwrap()]).code, Some(0));
    let file = registry.folder.path().join("scripted.wasm");
    std::fs::copy(scripted(), &file).unwrap();
    let ran = registry.cli(&["check"]);
    assert!(ran.stderr.contains("is not signed"), "{}", ran.stderr);
    let key = key.with_extension("pem");
    let signed = registry.cli(&["handler", "sign", file.to_str().unwrap(), "--key", key.to_str().unwrap()]);
    assert_eq!(signed.code, Some(0), "{}", signed.stderr);
    assert_eq!(registry.cli(&["check"]).code, Some(0));
}

/// With `pin` a retry stays on its version while others are deployed; without, it takes what is deployed.
#[rstest::rstest]
#[case("pin = true", true)]
#[case("pin = false", false)]
#[tokio::test]
async fn a_retry_stays_on_its_version(#[case] pin: &str, #[case] stays: bool) {
    let more = format!("retry = {{ attempts = 2, backoff = \"fixed:2s\", {pin} }}");
    let registry = Registry::start(&more).await;
    let first = pushed(&registry.push(&registry.version(1), &[]));
    let mut worker = registry.worker();
    worker.line_with(&first);
    let data = r#"{"steps":[{"op":"fail","message":"no"}]}"#;
    assert_eq!(registry.cli(&["job", "add", "q", "n", "--data", data, "--job-id", "j"]).code, Some(0));
    let until = |state: &str| loop {
        let shown = registry.cli(&["job", "show", "q", "j", "--json"]);
        let job: Value = serde_json::from_str(&shown.stdout).unwrap();
        if job["state"] == state {
            break job["fields"]["gmd"].as_str().unwrap_or_default().to_owned();
        }
    };
    assert_eq!(until("delayed"), first);
    let second = pushed(&registry.push(&registry.version(2), &[]));
    worker.line_with(&second);
    assert_eq!(until("failed"), if stays { first } else { second });
}

/// A worker that cannot serve a queue leaves the markers of its jobs to those that can: a marker that it took would cost
/// five seconds.
#[tokio::test]
async fn a_worker_without_the_handler_slows_nobody() {
    let registry = Registry::start("").await;
    let digest = pushed(&registry.push(&scripted(), &[]));
    let other = std::fs::read_to_string(&registry.config).unwrap().replace("\"scripted\"", "\"another\"");
    let other = registry.file("other.toml", other.as_bytes());
    let mut useless = Running::start(&mut gristmill(&["worker", "--config", other.to_str().unwrap()]));
    useless.line_with("the queue's jobs wait");
    let mut worker = registry.worker();
    worker.line_with(&digest);
    let begun = std::time::Instant::now();
    for id in ["1a", "2a", "3a", "4a", "5a", "6a", "7a", "8a"] {
        assert_eq!(registry.job(id), digest);
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_lost_module_is_mended_by_pushing_it_again() {
    let registry = Registry::start("").await;
    let digest = pushed(&registry.push(&scripted(), &[]));
    let client = redis::Client::open(registry.redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("gristmill:{{{}}}:module", &digest[7..]);
    let _: () = redis::cmd("DEL").arg(&key).query_async(&mut connection).await.unwrap();
    let ran = registry.push(&scripted(), &[]);
    assert!(ran.code == Some(0) && ran.stderr.contains("it is the stable version already"), "{}", ran.stderr);
    let mut worker = registry.worker();
    worker.line_with(&digest);
    assert_eq!(registry.job("mended"), digest);
}

#[tokio::test]
async fn going_back_stays_within_a_handler() {
    let registry = Registry::start("[queues.other.jobs.\"*\"]\nhandler = \"hash\"\n").await;
    let first = pushed(&registry.push(&registry.version(1), &[]));
    pushed(&registry.push(&registry.version(2), &[]));
    let hash = guest("hash").display().to_string();
    let foreign = pushed(&registry.cli(&["handler", "push", &hash, "--queue", "other"]));
    let back = |to: &str| registry.cli(&["handler", "rollback", "--queue", "q", "--to", to]);
    let ran = back(&foreign);
    assert!(
        ran.code == Some(1) && ran.stderr.contains("is served by the handler `scripted`"),
        "{}",
        ran.stderr
    );
    let ran = back(&first[7..10]);
    assert!(ran.code == Some(64) && ran.stderr.contains("give 6 digits or more"), "{}", ran.stderr);
    assert_eq!(back(&first[7..15]).code, Some(0));
}

/// The same canary pushed again is a new trial, which workers must follow to judge it.
#[tokio::test]
async fn a_version_that_serves_under_one_name_is_not_pushed_under_another() {
    let more = "[queues.r.jobs.\"*\"]\nhandler = \"other\"\nmemory = \"8MiB\"";
    let registry = Registry::start(more).await;
    let (first, second) = (registry.version(1), registry.version(2));
    pushed(&registry.push(&first, &[]));
    let file = first.display().to_string();
    let ran = registry.cli(&["handler", "push", &file, "--queue", "r"]);
    assert_eq!(ran.code, Some(64));
    assert!(
        ran.stderr.contains("serves job type `*` of queue `q` as the handler `scripted`"),
        "{}",
        ran.stderr
    );
    let listed = registry.cli(&["handler", "list", "--json"]);
    assert!(!listed.stdout.contains("\"other\""), "{}", listed.stdout);
    let file = second.display().to_string();
    pushed(&registry.cli(&["handler", "push", &file, "--queue", "r"]));
}

#[tokio::test]
async fn a_canary_pushed_again_begins_anew() {
    let registry = Registry::start("").await;
    pushed(&registry.push(&registry.version(1), &[]));
    let mut worker = registry.worker();
    let canary = registry.version(2);
    pushed(&registry.push(&canary, &["--canary", "50%"]));
    worker.line_with("canary served queue=\"q\" job=\"*\" revision=2");
    let again = pushed(&registry.push(&canary, &["--canary", "50%", "--promote-after", "1ms"]));
    worker.line_with("canary served queue=\"q\" job=\"*\" revision=3");
    // Enough for fifty attempts of each, as a rule; the judge waits for fifty of the canary.
    let many = r#"[{"op":"return","value":1}]"#;
    let data = format!("{{\"steps\":{many}}}");
    for number in 0..160 {
        let id = format!("j{number}");
        assert_eq!(registry.cli(&["job", "add", "q", "n", "--data", &data, "--job-id", &id]).code, Some(0));
    }
    worker.line_with("canary promoted");
    assert_eq!(registry.job("after"), again);
}
