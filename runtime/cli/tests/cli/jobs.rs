//! A worker, jobs from the command line, and the signals that steer it.

use gristmill_queue::PrivateRedis;
use serde_json::Value;

use crate::support::{Running, config, folder, gristmill, run};

struct Served {
    redis: PrivateRedis,
    worker: Running,
    folder: tempfile::TempDir,
}

async fn serve(more: &str) -> Served {
    let redis = PrivateRedis::start().await.unwrap();
    let (folder, file) = folder(&config(&redis.url(), more));
    let mut worker = Running::start(&mut gristmill(&["worker", "--config", &file]));
    worker.line_with("serving");
    Served { redis, worker, folder }
}

impl Served {
    fn client(&self, arguments: &[&str]) -> crate::support::Ran {
        let url = self.redis.url();
        let mut all = vec!["--redis", &url];
        all.extend(arguments);
        run(&all)
    }
}

#[tokio::test]
async fn a_job_is_added_awaited_shown_and_counted() {
    let served = serve("").await;
    let data = r#"{"steps":[{"op":"log","line":"hello"},{"op":"return","value":[1,2]}]}"#;
    let ran = served.client(&["job", "add", "q", "greet", "--data", data, "--wait"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "[1,2]\n"), "{}", ran.stderr);

    let shown = served.client(&["job", "show", "q", "1", "--json"]);
    let view: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(
        (view["state"].as_str(), view["fields"]["returnvalue"].as_str()),
        (Some("completed"), Some("[1,2]"))
    );
    assert_eq!(view["logs"][0], "hello");

    let failing = served.client(&[
        "job",
        "add",
        "q",
        "n",
        "--data",
        r#"{"steps":[{"op":"fail","message":"no"}]}"#,
        "--wait",
    ]);
    assert_eq!(failing.code, Some(1));
    assert!(failing.stderr.contains("job 2 failed: no"), "{}", failing.stderr);

    let later = served.client(&[
        "job",
        "add",
        "q",
        "n",
        "--delay",
        "1h",
        "--priority",
        "3",
        "--attempts",
        "4",
        "--backoff",
        "exponential:1s",
        "--job-id",
        "mine",
    ]);
    assert_eq!(later.stdout, "mine\n");
    let view: Value =
        serde_json::from_str(&served.client(&["job", "show", "q", "mine", "--json"]).stdout).unwrap();
    assert_eq!(view["state"], "delayed");
    let opts: Value = serde_json::from_str(view["fields"]["opts"].as_str().unwrap()).unwrap();
    assert_eq!((opts["attempts"].as_i64(), opts["backoff"]["delay"].as_i64()), (Some(4), Some(1_000)));

    let list: Value = serde_json::from_str(&served.client(&["queue", "list", "--json"]).stdout).unwrap();
    let counts = &list[0]["counts"];
    assert_eq!(
        (counts["completed"].as_i64(), counts["failed"].as_i64(), counts["delayed"].as_i64()),
        (Some(1), Some(1), Some(1))
    );
    assert_eq!(served.client(&["job", "show", "q", "none"]).code, Some(1));
}

#[tokio::test]
async fn a_drain_lets_running_jobs_finish() {
    let mut served = serve("").await;
    let data =
        r#"{"steps":[{"op":"log","line":"started"},{"op":"sleep","ms":700},{"op":"return","value":"done"}]}"#;
    served.client(&["job", "add", "q", "n", "--data", data]);
    wait_for_state(&served, "1", "active");
    served.worker.signal("TTIN");
    served.worker.line_with("slot queue=\"q\" id=\"1\"");
    served.worker.signal("TERM");
    assert_eq!(served.worker.wait(), Some(0), "{:#?}", served.worker.seen);
    wait_for_state(&served, "1", "completed");
}

#[tokio::test]
async fn a_drain_that_runs_out_of_time_hands_the_job_back() {
    let mut served = serve("[worker]\nshutdown_timeout = \"200ms\"").await;
    served.client(&["job", "add", "q", "n", "--data", r#"{"steps":[{"op":"loop"}]}"#]);
    wait_for_state(&served, "1", "active");
    served.worker.signal("INT");
    assert_eq!(served.worker.wait(), Some(70), "{:#?}", served.worker.seen);
    let view: Value =
        serde_json::from_str(&served.client(&["job", "show", "q", "1", "--json"]).stdout).unwrap();
    assert_eq!((view["state"].as_str(), view["fields"].get("atm")), (Some("waiting"), None));
}

#[tokio::test]
async fn a_quiet_worker_takes_nothing_until_it_is_told_to_go_on() {
    let served = serve("").await;
    served.worker.signal("TSTP");
    // It is quiet once its readiness page says so; the job that is added then must stay where it is.
    let address = served.worker.seen.iter().find_map(|l| l.split("metrics=http://").nth(1)).unwrap();
    let address = address.trim_end_matches("/metrics").to_owned();
    until("the worker is quiet", || page(&address, "/healthz/ready").starts_with("HTTP/1.1 503"));
    served.client(&["job", "add", "q", "n", "--data", r#"{"steps":[]}"#]);
    assert_eq!(state(&served, "1"), "waiting");
    served.worker.signal("CONT");
    wait_for_state(&served, "1", "completed");
    assert!(
        page(&address, "/metrics")
            .contains("gristmill_jobs_total{job=\"n\",outcome=\"completed\",queue=\"q\"} 1")
    );
}

fn page(address: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn state(served: &Served, id: &str) -> String {
    let view: Value =
        serde_json::from_str(&served.client(&["job", "show", "q", id, "--json"]).stdout).unwrap();
    view["state"].as_str().unwrap().to_owned()
}

fn wait_for_state(served: &Served, id: &str, wanted: &str) {
    until(wanted, || state(served, id) == wanted);
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + crate::support::LONG;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn hup_takes_up_a_changed_configuration_or_none_of_it() {
    let mut served = serve("").await;
    let file = served.folder.path().join("gristmill.toml");
    let old = std::fs::read_to_string(&file).unwrap();
    let looping = ["job", "add", "q", "n", "--data", r#"{"steps":[{"op":"loop"}]}"#, "--wait"];

    std::fs::write(&file, old.replace("10s", "100ms").replace("[queues.q", "[queues.r]\n[queues.q")).unwrap();
    served.worker.signal("HUP");
    served.worker.line_with("the old configuration stays");

    std::fs::write(
        &file,
        old.replace("10s", "100ms").replace("[server]", "[worker]\nname = \"w\"\n[server]"),
    )
    .unwrap();
    served.worker.signal("HUP");
    assert!(served.worker.line_with("need a restart").contains("[worker]"));
    served.worker.line_with("configuration read again");
    let ran = served.client(&looping);
    assert!(ran.stderr.contains("timeout: "), "{}", ran.stderr);
}

/// A large job that fills the memory does not keep its queue's small ones from running beside it.
#[tokio::test]
async fn small_jobs_run_beside_a_large_one_of_their_queue() {
    let handler = crate::support::scripted().display().to_string();
    let large = format!("[queues.q.jobs.large]\nhandler = {handler:?}\nmemory = \"200MiB\"\n");
    let served = serve(&format!("[worker]\nmemory_hard_limit = \"350MiB\"\n{large}")).await;
    let sleeps = r#"{"steps":[{"op":"sleep","ms":30000}]}"#;
    assert_eq!(served.client(&["job", "add", "q", "large", "--data", sleeps, "--job-id", "l"]).code, Some(0));
    let state = || {
        let shown = served.client(&["job", "show", "q", "l", "--json"]).stdout;
        serde_json::from_str::<Value>(&shown).unwrap()["state"].clone()
    };
    while state() != "active" {}
    for _ in 0..5 {
        let ran = served.client(&["job", "add", "q", "small", "--data", "{}", "--wait"]);
        assert_eq!((ran.code, state()), (Some(0), "active".into()), "{}", ran.stderr);
    }
    let ran = served.client(&["job", "add", "q", "small", "--data", "{}", "--delay", "200ms", "--wait"]);
    assert_eq!((ran.code, state()), (Some(0), "active".into()), "{}", ran.stderr);
    assert_eq!(
        served.client(&["job", "add", "q", "large", "--data", "{}", "--job-id", "second"]).code,
        Some(0)
    );
    assert_eq!(served.client(&["job", "cancel", "q", "l"]).code, Some(0));
    let shown = || served.client(&["job", "show", "q", "second", "--json"]).stdout;
    while serde_json::from_str::<Value>(&shown()).unwrap()["state"] != "completed" {}
}
