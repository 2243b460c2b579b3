use std::path::Path;
use std::time::Duration;

use super::*;
use crate::backoff::Backoff;
use crate::options::Keep;
use crate::retry::CausePolicy;

fn load_text(text: &str, env: &[(&str, &str)]) -> Loaded {
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    load(&Input { file: Some((Path::new("gristmill.toml"), text)), env, ..Input::default() })
}

fn problems(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    load_text(text, env).problems.iter().map(ToString::to_string).collect()
}

const GOOD: &str = r#"
[redis]
url = "redis://127.0.0.1:6400"

[queues.email-delivery]
class = "high"
concurrency = 15
env = "EMAIL"

[queues.email-delivery.jobs."*"]
handler = "handlers/email.wasm"
memory = "32MiB"
timeout = "10s"
fuel = "10G"
retry = { attempts = 3, backoff = "exponential:1s", max_starts = 9, timeout_factor = 2, max_traps = 1 }
allow = { http = ["api.resend.com"], enqueue = ["analytics"] }
remove_on_complete = { count = 1000, age = "24h" }
remove_on_fail = "168h"
"#;

#[test]
fn reads_the_whole_form() {
    let loaded = load_text(GOOD, &[]);
    assert_eq!(loaded.problems, []);
    let queue = &loaded.config.queues["email-delivery"];
    assert_eq!((queue.class, queue.concurrency), (Class::High, 15));
    let (name, job) = queue.job_type("welcome").expect("`*` serves every name");
    assert_eq!((name, &job.handler), ("*", &Handler::File("handlers/email.wasm".into())));
    assert_eq!((job.limits.memory, job.limits.fuel), (32 << 20, Some(10_000_000_000)));
    assert_eq!(job.limits.soft_timeout, Duration::from_secs(8));
    assert_eq!((job.policy.max_starts, &job.allow.enqueue[..]), (Some(9), &["analytics".to_owned()][..]));
    assert_eq!(job.policy.timeout, CausePolicy { factor: 2.0, budget: None });
    assert_eq!(job.policy.trap, CausePolicy { factor: 1.0, budget: Some(1) });
    assert_eq!(job.limits.soft_memory, 24 << 20);
    let keep = |count, age_s| Keep::Bounded { count, age_s, limit: 1_000 };
    assert_eq!(job.policy.remove_on_complete, keep(Some(1_000), Some(86_400)));
    assert_eq!(job.policy.remove_on_fail, keep(None, Some(7 * 86_400)));
    assert_eq!(job.policy.backoff, Some(Backoff::Exponential { delay_ms: 1_000, jitter: 0.0 }));
}

#[test]
fn the_environment_wins_over_the_file() {
    let env = [
        ("REDIS_URL", "redis://:secret@other:1"),
        ("WORKER_CONCURRENCY_EMAIL", "3"),
        ("TIMEOUT_EMAIL", "500"),
        ("MEMORY_LIMIT_EMAIL", "16"),
        ("TIMEOUT_SOFT_PERCENTAGE", "50"),
    ];
    let loaded = load_text(GOOD, &env);
    assert_eq!(loaded.problems, []);
    let queue = &loaded.config.queues["email-delivery"];
    let limits = &queue.jobs["*"].limits;
    assert_eq!((queue.concurrency, limits.memory), (3, 16 << 20));
    assert_eq!(
        (limits.timeout, limits.soft_timeout),
        (Duration::from_millis(500), Duration::from_millis(250))
    );
    let source = |key: &str| loaded.effective.iter().find(|e| e.key == key).map(|e| e.source.clone());
    assert_eq!(source("queues.email-delivery.concurrency").as_deref(), Some("$WORKER_CONCURRENCY_EMAIL"));
    assert_eq!(source("queues.email-delivery.jobs.\"*\".fuel").as_deref(), Some("gristmill.toml:14"));
    let url = loaded.effective.iter().find(|e| e.key == "redis.url").map(|e| e.value.clone());
    assert_eq!(url.as_deref(), Some("\"redis://:***@other:1\""));
}

#[test]
fn all_problems_come_together_with_their_lines() {
    let text = r#"
[worker]
shutdown_timeot = "1s"

[queues.email]
class = "hihg"
[queues.email.jobs."*"]
handler = "email.wasm"
timeout = "soon"
memory = 64

[queues.emial]
"#;
    assert_eq!(
        problems(text, &[("WORKER_CONCURRENCY_EMIAL2", "x")]),
        [
            "gristmill.toml:3: unknown key `worker.shutdown_timeot`; did you mean `shutdown_timeout`?",
            "gristmill.toml:6: `hihg` is not a class; did you mean `high`?",
            "gristmill.toml:10: `queues.email.jobs.\"*\".memory`: the number `64` is not a size; write it as `\"64MiB\"`",
            "gristmill.toml:9: `queues.email.jobs.\"*\".timeout`: `soon` is not a duration; write it as `500ms`, `60s`, `5m` or `1h 30m`",
            "gristmill.toml:12: queue \"emial\" has no handler; add `[queues.emial.jobs.\"*\"]` with `handler = \"FILE.wasm\"`",
            "warning: $WORKER_CONCURRENCY_EMIAL2: no queue or job type has the environment name `EMIAL2`; did you mean `WORKER_CONCURRENCY_EMIAL`?",
        ]
    );
}

#[rstest::rstest]
#[case(
    "[queues.a]\nconcurrency = 0\n[queues.a.jobs.\"*\"]\nhandler=\"a.wasm\"",
    "gristmill.toml:2: `concurrency` of queue \"a\" must be 1 to 10000"
)]
#[case(
    "[queues.a.jobs.\"*\"]\nhandler=\"a/b\"",
    "gristmill.toml:2: handler `a/b` is neither a path that ends in `.wasm` nor the name of a deployed handler; \
     give the path of a component, or a name of letters, digits, `-`, `_` and `.`"
)]
#[case(
    "[queues.a.jobs.\"*\"]\nhandler=\"a.wasm\"\ntimeout=\"0s\"",
    "gristmill.toml:3: `queues.a.jobs.\"*\".timeout` must be above zero and at most 24h"
)]
#[case(
    "[queues]\na = 5",
    "gristmill.toml:2: `queues.a` is the number `5`, not a table; write it as `[queues.a]`"
)]
#[case(
    "[worker]\ncache_size = \"63MiB\"",
    "gristmill.toml:2: `worker.cache_size` must be at least `64MiB`; a large handler may compile to that"
)]
#[case(
    "[registry]\nrequire = \"sined\"",
    "gristmill.toml:2: `sined` is not what a module needs; did you mean `signed`?"
)]
#[case(
    "[registry]\nrequire = \"signed\"",
    "gristmill.toml:2: `registry.require` is `signed`, and no key is trusted; name the files of the public keys: \
     `trusted_keys = [\"build.pub.pem\"]`"
)]
#[case(
    "[registry]\nrevoked = [\"sha256:12\"]",
    "gristmill.toml:2: `sha256:12` is no digest; `sha256:` and 64 digits of 0-9 and a-f, as `gristmill handler list \
     --json` prints them"
)]
#[case("", "gristmill.toml: no queue is configured; name the queues to serve, each as `[queues.NAME]`")]
#[case(
    "[redis]\nurl = \"http://x\"",
    "gristmill.toml:2: `http://x` is not a Redis address; write it as `redis://HOST:PORT`, `rediss://HOST:PORT` or `redis+unix:///PATH`"
)]
fn bad_values(#[case] text: &str, #[case] expected: &str) {
    assert!(problems(text, &[]).contains(&expected.to_owned()), "{:#?}", problems(text, &[]));
}

#[test]
fn a_malformed_variable_stops_the_start() {
    let loaded = load_text(GOOD, &[("TIMEOUT_EMAIL", "soon")]);
    assert!(!loaded.is_ok());
    assert_eq!(
        loaded.problems[0].to_string(),
        "$TIMEOUT_EMAIL: `soon` is not a number of milliseconds; write it as `30000`"
    );
}

#[test]
fn syntax_errors_name_their_line() {
    let found = problems("[redis]\nurl = \n[queues", &[]);
    assert!(found.iter().any(|p| p.starts_with("gristmill.toml:2: ")), "{found:#?}");
}

#[rstest::rstest]
#[case(("timeout = \"10s\"", "timeout = \"20s\""), &[])]
#[case(("attempts = 3", "attempts = 9"), &[])]
#[case(("memory = \"32MiB\"", "memory = \"16MiB\""), &[])]
#[case(("memory = \"32MiB\"", "memory = \"48MiB\""), &["[queues.email-delivery.jobs.\"*\"] memory"])]
#[case(("concurrency = 15", "concurrency = 16"), &["[queues.email-delivery] concurrency"])]
#[case(("queues.email-delivery", "queues.mail"), &["[queues.email-delivery]", "[queues.mail]"])]
#[case(("6400", "6401"), &["[redis]"])]
#[case(("concurrency = 15", "concurrency = 15\nweight = 9"), &["[queues.email-delivery] weight"])]
#[case(("concurrency = 15", "concurrency = 15\nreserved = 2"), &["[queues.email-delivery] reserved"])]
#[case(("concurrency = 15", "concurrency = 15\nsla = \"9s\""), &["[queues.email-delivery] sla"])]
#[case(("[redis]", "[classes.high]\nweight = 9\n[redis]"), &["[classes.high]"])]
#[case(("[redis]", "[classes.low]\nmax_share = 9\n[redis]"), &["[classes.low]"])]
#[case(("[redis]", "[worker]\nslots = 9\n[redis]"), &["[worker]"])]
fn what_a_running_worker_cannot_take_up(#[case] change: (&str, &str), #[case] places: &[&str]) {
    let (old, new) = (load_text(GOOD, &[]), load_text(&GOOD.replace(change.0, change.1), &[]));
    let restart = old.config.needs_restart(&new.config);
    assert_eq!(restart.places, places);
    assert_eq!(restart.too_large, places.iter().any(|place| place.ends_with(" memory")));
    assert_ne!(old.config, new.config, "the case changes something");
}

#[rstest::rstest]
#[case("remove_on_complete = true", Keep::Remove)]
#[case("remove_on_complete = false", Keep::All)]
#[case("remove_on_complete = 0", Keep::Remove)]
#[case("remove_on_complete = 5", Keep::Bounded { count: Some(5), age_s: None, limit: 1_000 })]
fn keeps_what_it_is_told(#[case] line: &str, #[case] expected: Keep) {
    let loaded = load_text(&format!("{GOOD}\n[queues.x.jobs.\"*\"]\nhandler = \"x.wasm\"\n{line}\n"), &[]);
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.config.queues["x"].jobs["*"].policy.remove_on_complete, expected);
}

#[test]
fn a_queue_may_have_a_rate_limit() {
    let text = "[queues.x]\nrate_limit = \"300/min\"\n[queues.x.jobs.\"*\"]\nhandler = \"x.wasm\"\n";
    let config = load_text(text, &[]).config;
    assert_eq!(config.queues["x"].rate_limit, Some((300, Duration::from_secs(60))));
    let wrong = problems(&text.replace("300/min", "often"), &[]);
    assert!(
        wrong[0].starts_with("gristmill.toml:2: `queues.x.rate_limit`: `often` is not a rate"),
        "{wrong:?}"
    );
}

#[test]
fn tokens_have_a_role_and_a_digest() {
    let digest = "0f".repeat(32);
    let text = format!("[server.tokens.ci]\nrole = \"operator\"\nsha256 = \"{digest}\"\n");
    let tokens = load_text(&text, &[]).config.server.tokens;
    assert_eq!(
        tokens,
        [Token { name: "ci".to_owned(), role: Role::Operator, sha256: [15; 32], expires_ms: None }]
    );
    let wrong = problems("[server.tokens.ci]\nrole = \"boss\"\nsha256 = \"abc\"\n", &[]);
    assert!(wrong[0].contains("`boss` is not a role; accepted: viewer, operator, admin"), "{wrong:?}");
    assert!(
        wrong[1].starts_with("gristmill.toml:3: ") && wrong[1].contains("64 hexadecimal digits"),
        "{wrong:?}"
    );
}

#[rstest::rstest]
#[case("redis://u:secret@h:1/0")]
#[case("redis+unix:///r.sock?user=u&pass=secret")]
#[case("redis+unix:///r.sock?pass=secret&db=2")]
#[case("redis://u:pass=a&secret@h:1/0")]
fn a_password_is_never_shown(#[case] url: &str) {
    let loaded = load_text(GOOD, &[("REDIS_URL", url)]);
    let shown = loaded.effective.iter().find(|e| e.key == "redis.url").unwrap();
    assert!(!shown.value.contains("secret") && shown.value.contains("***"), "{}", shown.value);
}

const CLASSES: &str = r#"
[worker]
slots = 8
[queues.pay]
class = "critical"
[queues.pay.jobs."*"]
handler = "a.wasm"
[queues.clean]
class = "background"
concurrency = 6
[queues.clean.jobs."*"]
handler = "a.wasm"
"#;

#[test]
fn classes_share_the_slots() {
    let loaded = load_text(CLASSES, &[]);
    assert_eq!(loaded.problems, []);
    let shares = loaded.config.shares();
    assert!(shares.contended && shares.slots == 8);
    assert_eq!(shares.classes.map(|class| class.max), [8, 8, 8, 6, 4]);
    assert_eq!(shares.classes.map(|class| class.reserved), [1, 0, 0, 0, 0]);
    let weights =
        |text: &str| load_text(text, &[]).config.queues.values().map(|q| q.weight).collect::<Vec<_>>();
    assert_eq!(weights(CLASSES), [1, 16]);
    let changed =
        format!("{CLASSES}[classes.critical]\nweight = 5\n").replace("concurrency = 6", "weight = 3");
    assert_eq!(weights(&changed), [3, 5]);
    let shown = |key: &str| {
        loaded.effective.iter().find(|e| e.key == key).map(|e| (e.value.clone(), e.source.clone()))
    };
    assert_eq!(shown("classes.background.max_share"), Some(("50".into(), "default".into())));
    assert_eq!(shown("worker.slots"), Some(("8".into(), "gristmill.toml:3".into())));
}

#[test]
fn slots_are_enough_for_all_unless_fewer_are_written() {
    let without = CLASSES.replace("slots = 8", "");
    let shares = load_text(&without, &[]).config.shares();
    assert_eq!((shares.slots, shares.contended), (16, false));
    assert_eq!(shares.classes.map(|class| class.max), [16; 5]);
    let shares = load_text(&without, &[("WORKER_SLOTS", "3")]).config.shares();
    assert_eq!((shares.slots, shares.contended, shares.classes[0].reserved), (3, true, 0));
    let half = format!("{without}[classes.background]\nmax_share = 25\n");
    let shares = load_text(&half, &[]).config.shares();
    assert_eq!((shares.slots, shares.contended, shares.classes[4].max), (16, true, 4));
    let alone = half.replace("\"critical\"", "\"background\"");
    assert!(!load_text(&alone, &[]).config.shares().contended);
}

#[rstest::rstest]
#[case(("slots = 8", "slots = 0"), "gristmill.toml:3: `worker.slots` must be 1 to 100000")]
#[case(
    ("concurrency = 6", "weight = 0"),
    "gristmill.toml:10: `queues.clean.weight` must be 1 to 1000; a queue that is to stand still is paused"
)]
#[case(
    ("concurrency = 6", "reserved = 3"),
    "gristmill.toml:10: `queues.clean.reserved` is more than `concurrency`, 2"
)]
#[case(("concurrency = 6", "sla = \"1s\""), "gristmill.toml:10: `queues.clean.sla` must be at least `2s`")]
#[case(
    ("slots = 8", "slots = 8\n[classes.low]\nmax_share = 101"),
    "gristmill.toml:5: `classes.low.max_share` must be 1 to 100, percent of the slots"
)]
#[case(
    ("slots = 8", "slots = 8\n[classes.low]\nreserved = 1"),
    "gristmill.toml:5: `classes.low.reserved` is 1, more than the `concurrency` of its queues together, 0; slots beyond that would never be used"
)]
#[case(
    ("slots = 8", "slots = 8\n[classes.background]\nreserved = 5"),
    "gristmill.toml:5: class `background` may hold 4 slots, but 5 are reserved for it; raise `max_share`, or reserve less"
)]
#[case(
    ("\"critical\"", "\"critical\"\nreserved = 9"),
    "gristmill.toml:6: class `critical` may hold 8 slots, but 9 are reserved for it; raise `max_share`, or reserve less"
)]
#[case(
    ("concurrency = 6", "concurrency = 6\nreserved = 4\n[classes.critical]\nreserved = 5"),
    "gristmill.toml:11: 9 slots are reserved, but the worker has 8; reserve less, or raise `worker.slots`"
)]
#[case(
    ("slots = 8", "slots = 8\n[classes.critical]\nreserved = 8"),
    "gristmill.toml:5: all 8 slots are reserved, and none is left for queue `clean`; reserve less, or raise `worker.slots`"
)]
fn shares_that_cannot_be(#[case] change: (&str, &str), #[case] expected: &str) {
    let found = problems(&CLASSES.replace(change.0, change.1), &[]);
    assert!(found.contains(&expected.to_owned()), "{found:#?}");
}

#[test]
fn telemetry_is_off_without_an_address() {
    let read = |text: &str, env: &[(&str, &str)]| {
        let loaded = load_text(&format!("{text}\n[queues.q]\n"), env);
        (loaded.config.telemetry, loaded.problems.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(read("", &[]).0, Telemetry::default());
    let file = "[telemetry]\notlp = \"http://a:4317\"\nmetrics = false\nsample = 0.25";
    let otlp = |text: &str| Some(text.to_owned());
    let (telemetry, problems) = read(file, &[]);
    assert_eq!(
        telemetry,
        Telemetry { otlp: otlp("http://a:4317"), traces: true, metrics: false, sample: Some(0.25) }
    );
    assert!(!problems.iter().any(|problem| problem.contains("telemetry")), "{problems:?}");
    assert_eq!(
        read(file, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://b:4317")]).0.otlp,
        otlp("https://b:4317")
    );
    assert_eq!(read("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]).0.otlp, None);
    for (text, part) in
        [("otlp = \"collector:4317\"", "is no address"), ("sample = 1.5", "not a number from 0 to 1")]
    {
        let (_, problems) = read(&format!("[telemetry]\n{text}"), &[]);
        assert!(problems.iter().any(|problem| problem.contains(part)), "{problems:?}");
    }
}

#[test]
fn tokens_of_nothing_and_twins_are_refused_and_addresses_are_kept_apart_and_hidden() {
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let other = "a".repeat(64);
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:7000\"\n[server.tokens.a]\nsha256 = \"{nothing}\"\n[server.tokens.b]\nsha256 = \"{other}\"\n\
         [server.tokens.c]\nsha256 = \"{other}\"\n[scaling]\nkeda_listen = \"127.0.0.1:7000\"\n\
         [alerts.targets.chat]\nkind = \"slack\"\nurl = \"https://u:p@hooks.slack.com/services/T/B/key\"\n[queues.q]\n"
    );
    let found = problems(&text, &[]);
    for part in [
        "`server.tokens.a.sha256` is the digest of an empty text",
        "`b` and `c` are the same",
        "which is `server.listen`",
    ] {
        assert!(found.iter().any(|problem| problem.contains(part)), "{part}: {found:?}");
    }
    let loaded = load_text(&text, &[]);
    let url = loaded.effective.iter().find(|effective| effective.key.ends_with("chat.url")).unwrap();
    assert_eq!(url.value, "\"https://hooks.slack.com/***\"");
}
