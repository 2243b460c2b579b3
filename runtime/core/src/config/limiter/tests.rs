use std::path::Path;
use std::time::Duration;

use crate::config::{Config, Input, load};
use crate::limiter::{Algorithm, Charge};

fn loaded(text: &str, env: &[(&str, &str)]) -> (Config, Vec<String>) {
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let loaded = load(&Input { file: Some((Path::new("gristmill.toml"), text)), env, ..Input::default() });
    (loaded.config, loaded.problems.iter().map(ToString::to_string).collect())
}

const JOBS: &str = "[queues.q.jobs.\"*\"]\nhandler = \"h.wasm\"\n";

#[test]
fn reads_limiters_breakers_and_who_uses_them() {
    let text = format!(
        "[limiters.api]\nalgorithm = \"token-bucket\"\ntiers = [\"2000/min\", \"50/s\"]\n[breakers.api]\nconsecutive = 5\n\
         failure_rate = \"20%\"\n{JOBS}limiters = [\"api\"]\nbreakers = [\"api\"]\n\
         allow = {{ limiters = [\"api\"], http = [\"a.com\", {{ host = \"b.com\", limiter = \"api\", breaker = \"api\" }}] }}\n\
         [queues.q.jobs.keyed]\nhandler = \"h.wasm\"\nlimiters = [{{ name = \"api\", key = \"/tenant\", cost = 2 }}]\n"
    );
    let (config, problems) = loaded(&text, &[]);
    assert_eq!(problems, Vec::<String>::new());
    let limiter = &config.limiters["api"];
    assert_eq!((limiter.algorithm, limiter.tiers[0].limit), (Algorithm::TokenBucket, 50));
    assert_eq!((config.breakers["api"].failure_rate, config.breakers["api"].consecutive), (20, Some(5)));
    let keyed = Charge { limiter: "api".into(), key: Some("/tenant".into()), cost: 2 };
    assert_eq!(config.queues["q"].jobs["keyed"].limiters, [keyed]);
    let http = &config.queues["q"].jobs["*"].allow.http;
    assert_eq!((http[0].limiter.as_deref(), http[1].limiter.as_deref()), (None, Some("api")));
}

#[test]
fn the_environment_sets_tiers() {
    let text = format!("[limiters.resend-api]\nenv = \"RESEND\"\ntiers = [\"10/s\"]\n{JOBS}");
    let env = [("RATE_LIMIT_RESEND_PER_SECOND", "20"), ("RATE_LIMIT_RESEND_PER_HOUR", "1000")];
    let (config, problems) = loaded(&text, &env);
    assert_eq!(problems, Vec::<String>::new());
    let tiers: Vec<_> = config.limiters["resend-api"].tiers.iter().map(|t| (t.limit, t.window)).collect();
    assert_eq!(tiers, [(20, Duration::from_secs(1)), (1_000, Duration::from_hours(1))]);
    let (_, problems) =
        loaded(&text, &[("RATE_LIMIT_RESENT_PER_SECOND", "20"), ("RATE_LIMIT_RESEND_PER_DAY", "0")]);
    assert!(problems[0].contains("$RATE_LIMIT_RESEND_PER_DAY: a limit of zero"), "{problems:?}");
    assert!(problems[1].contains("did you mean `RESEND`?"), "{problems:?}");
}

#[rstest::rstest]
#[case(
    "[limiters.a]\ntiers = [\"10/s\", \"5/min\"]\n",
    "warning: gristmill.toml:2: `10/1s` never comes to bear"
)]
#[case("[limiters.a]\n", "gristmill.toml:1: limiter `a` has no tier")]
#[case("[limiters.a]\ntiers = [\"0/s\"]\n", "gristmill.toml:2")]
#[case("[limiters.a]\ntiers = [\"1/s\", \"2/s\"]\n", "for the same time")]
#[case("[limiters.a]\nalgorithm = \"token-buckett\"\ntiers = [\"1/s\"]\n", "did you mean `token-bucket`?")]
#[case("[limiters.\"a b\"]\ntiers = [\"1/s\"]\n", "cannot name a limiter")]
#[case("[breakers.a]\nfailure_rate = \"0%\"\n", "is not a share")]
#[case("[breakers.a]\nprobes = 0\n", "`breakers.a.probes` must be 1 to 1000000")]
fn odd_definitions(#[case] text: &str, #[case] expected: &str) {
    let (_, problems) = loaded(&format!("{text}{JOBS}"), &[]);
    assert!(problems.iter().any(|problem| problem.contains(expected)), "{problems:?}");
}

#[rstest::rstest]
#[case("limiters = [\"emial\"]", "no limiter is called `emial`; did you mean `email`?")]
#[case(
    "limiters = [{ name = \"email\", cost = 11 }]",
    "a job costs 11, and `email` never has more than `10/1s`"
)]
#[case("limiters = [{ name = \"email\", key = \"tenant\" }]", "is not a JSON pointer")]
#[case("limiters = [\"email\", \"email\"]", "stands twice")]
#[case("limiters = [{ nane = \"email\" }]", "`nane` is not known in it")]
#[case("breakers = [\"email\"]", "no breaker is called `email`; define it as `[breakers.email]`")]
#[case("allow = { limiters = [\"x\"] }", "no limiter is called `x`")]
#[case("allow = { http = [{ host = \"a.com\", limiter = \"x\" }] }", "no limiter is called `x`")]
#[case("allow = { http = [{ limiter = \"email\" }] }", "a `host` is missing")]
#[case("allow = { http = [\"a.com\", \"\"] }", "one of the hosts is empty")]
#[case("retry = { max_timeouts = -3 }", "`-3` is below zero")]
#[case("retry = { max_timeouts = 1.5 }", "is not a whole number")]
fn odd_uses(#[case] line: &str, #[case] expected: &str) {
    let (_, problems) = loaded(&format!("[limiters.email]\ntiers = [\"10/s\"]\n{JOBS}{line}\n"), &[]);
    assert!(problems.iter().any(|problem| problem.contains(expected)), "{problems:?}");
    assert!(problems.iter().all(|problem| problem.starts_with("gristmill.toml:5: ")), "{problems:?}");
}

/// `deploy/gristmill.toml` is what operators copy: it says what their documents say.
#[test]
fn the_reference_configuration_is_whole() {
    let text = include_str!("../../../../../deploy/gristmill.toml");
    let (config, problems) = loaded(text, &[]);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!((config.queues.len(), config.limiters.len()), (15, 7));
    let shown: Vec<_> = config
        .limiters
        .iter()
        .map(|(name, limiter)| {
            let tiers: Vec<_> = limiter.tiers.iter().map(ToString::to_string).collect();
            format!("{name} {} {}", limiter.algorithm.as_str(), tiers.join(" "))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "asset-processing fixed-window 60/1m 1000/1h",
            "email-campaigns sliding-window 100/1m 3000/1h",
            "email-sending sliding-window 300/1m 10000/1h 100000/24h",
            "resend-api token-bucket 10/1s",
            "search-indexing token-bucket 50/1s 2000/1m",
            "stripe-api token-bucket 100/1s 100000/1h",
            "tax-generation fixed-window 30/1m 500/1h",
        ]
    );
}
