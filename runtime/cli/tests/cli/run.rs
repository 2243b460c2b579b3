//! `gristmill run`

use crate::support::{run, scripted};

fn run_steps(steps: &str, more: &[&str]) -> crate::support::Ran {
    let (handler, data) = (scripted().display().to_string(), format!(r#"{{"steps":[{steps}]}}"#));
    let mut arguments = vec!["run", &handler, "--data", &data];
    arguments.extend(more);
    run(&arguments)
}

#[test]
fn what_it_returns_goes_to_stdout_and_all_else_to_stderr() {
    let steps = r#"{"op":"log","line":"hello"},{"op":"print","line":"world"},{"op":"progress","value":50},{"op":"return","value":{"a":"ä"}}"#;
    let ran = run_steps(steps, &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "{\"a\":\"ä\"}\n"));
    for what in ["hello", "world", "progress 50", "completed in ", "peak memory "] {
        assert!(ran.stderr.contains(what), "{what}: {}", ran.stderr);
    }
}

#[rstest::rstest]
#[case(r#"{"op":"loop"}"#, "timeout: ")]
#[case(r#"{"op":"sleep","ms":600000}"#, "timeout: ")]
#[case(r#"{"op":"alloc","mib":100}"#, "memory: ")]
#[case(r#"{"op":"trap"}"#, "trap: ")]
#[case(r#"{"op":"recurse"}"#, "trap: ")]
#[case(r#"{"op":"fail","message":"sorry"}"#, "sorry")]
fn what_goes_wrong_is_exit_1_with_its_reason(#[case] step: &str, #[case] reason: &str) {
    let ran = run_steps(step, &["--timeout", "1s"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.lines().any(|l| l.starts_with(reason)), "{}", ran.stderr);
}

#[test]
fn fuel_is_metered_when_asked_for() {
    let ran = run_steps(r#"{"op":"return","value":1}"#, &["--fuel", "1G", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(shown["fuel"].as_u64().is_some_and(|fuel| fuel > 1_000), "{shown}");
    assert_eq!((shown["outcome"].as_str(), shown["returned"].as_i64()), (Some("completed"), Some(1)));
    let ran = run_steps(r#"{"op":"loop"}"#, &["--fuel", "10M"]);
    assert!(ran.stderr.contains("fuel: "), "{}", ran.stderr);
}
