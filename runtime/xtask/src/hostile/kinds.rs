//! The kinds of hostile guests: what each does, and how it must end.

use std::net::IpAddr;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::guests;

/// Hostile in one way.
pub(crate) struct Kind {
    /// The job's name.
    pub name: &'static str,
    /// Its handler's file, in quotes.
    pub handler: String,
    pub data: Value,
    /// `timeout` of its job type, in ms.
    pub timeout_ms: u64,
    /// `allow` of its job type, as TOML has it.
    pub allow: String,
    pub end: End,
}

/// How a job must end.
pub(crate) enum End {
    /// It fails with a reason that begins so.
    Fails(&'static str),
    /// It completes with this value.
    Returns(Value),
}

/// Stays where its stack is as deep as it may be.
pub(crate) const DEEP: &str = "loops-deeply";
/// Of those that only time ends.
const SHORT: u64 = 150;
/// Of those that must end for another reason.
const LONG: u64 = 60_000;

/// The path of a built guest, as TOML has it.
pub(crate) fn handler(name: &str) -> String {
    format!("{:?}", guests::folder().join(format!("{name}.wasm")).display().to_string())
}

fn kind(name: &'static str, handler_name: &str, data: Value, end: End) -> Kind {
    let timeout_ms = if matches!(end, End::Fails("timeout: ")) { SHORT } else { LONG };
    Kind { name, handler: handler(handler_name), data, timeout_ms, allow: "{}".to_owned(), end }
}

fn script(name: &'static str, step: &Value, reason: &'static str) -> Kind {
    kind(name, "scripted", json!({ "steps": [step] }), End::Fails(reason))
}

/// All of them. `port` is that of the test's own server; `inside` a directory with a `link` out of it.
pub(crate) async fn all(port: u16, inside: &Path) -> Result<Vec<Kind>> {
    let mut all = for_their_time();
    all.extend(for_their_memory());
    all.extend(for_what_they_do());
    all.extend(for_what_they_say());
    all.extend(for_where_they_reach(port, inside).await);
    Ok(all)
}

fn for_their_time() -> Vec<Kind> {
    vec![
        script("loops", &json!({"op": "loop"}), "timeout: "),
        script("sleeps", &json!({"op": "sleep", "ms": 600_000}), "timeout: "),
        kind("naps", "hostile", json!("naps"), End::Fails("timeout: ")),
        kind("asks", "hostile", json!("asks"), End::Fails("timeout: ")),
        kind("fills-memory", "handmade/fills-memory", json!(0), End::Fails("timeout: ")),
        kind(DEEP, "handmade/loops-deeply", json!(0), End::Fails("timeout: ")),
        kind("loops-at-its-start", "handmade/loops-at-its-start", json!(0), End::Fails("timeout: ")),
        kind("tiny-calls", "hostile", json!("tiny-calls"), End::Returns(json!(["1000000"]))),
    ]
}

fn for_their_memory() -> Vec<Kind> {
    let refused = End::Fails("memory: the handler asked for more than its limit");
    vec![
        script("leaks", &json!({"op": "leak", "mib": 512}), "memory: "),
        kind("grows-memory", "handmade/grows-memory", json!(0), refused),
        // The ceiling on a table's elements is not the limit of its memory, so what the guest does then is its own end.
        kind(
            "grows-table",
            "handmade/grows-table",
            json!(0),
            End::Fails("trap: unreachable code was reached"),
        ),
        kind("starts-large", "handmade/starts-large", json!(0), End::Returns(Value::Null)),
        kind("holds-handles", "nosy", json!("handles"), End::Fails("trap: resource table has no free keys")),
        kind("wants-random-bytes", "nosy", json!("random"), End::Fails("trap: ")),
    ]
}

fn for_what_they_do() -> Vec<Kind> {
    let exhausted = End::Fails("trap: the call stack is exhausted");
    vec![
        script("recurses", &json!({"op": "recurse"}), "trap: "),
        kind("recurses-deeply", "handmade/recurses-deeply", json!(0), exhausted),
        script("traps", &json!({"op": "trap"}), "trap: unreachable code was reached"),
        script("panics", &json!({"op": "panic", "message": "boom"}), "trap: the handler panicked"),
        kind("exits", "nosy", json!("exit"), End::Fails("trap: the handler exited")),
    ]
}

fn for_what_they_say() -> Vec<Kind> {
    let nothing = || End::Returns(json!([]));
    let too_much = "trap: a host function was given too much data at once";
    vec![
        kind("floods-stdout", "hostile", json!("flood-stdout"), nothing()),
        kind("long-lines", "hostile", json!("long-lines"), nothing()),
        kind("huge-line", "hostile", json!("huge-line"), End::Fails(too_much)),
        kind("many-series", "hostile", json!("series"), nothing()),
        kind(
            "long-return",
            "hostile",
            json!("long-return"),
            End::Fails("output: the return value has too many bytes"),
        ),
        kind("claims-gigabytes", "handmade/claims-gigabytes", json!(0), End::Fails("trap: ")),
        kind(
            "returns-no-json",
            "handmade/returns-no-json",
            json!(0),
            End::Fails("output: the return value is not JSON"),
        ),
    ]
}

async fn for_where_they_reach(port: u16, inside: &Path) -> Vec<Kind> {
    // Every way to write the address that clouds serve credentials at, and this machine's own, under entries that allow
    // all that is public.
    let urls: Vec<String> = [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "localhost",
        "127.1",
        "[::1]",
        "0.0.0.0",
    ]
    .map(|host| format!("http://{host}:{port}/secret"))
    .into();
    let denied = || End::Returns(json!(["denied"]));
    let addresses = End::Returns(json!(vec!["denied"; urls.len()]));
    let (name, listed) = own_name(port).await;
    let by_name = json!({ "fetch": [format!("http://{name}:{port}/secret")] });
    let follow = json!({ "follow": format!("http://127.0.0.1:{port}/redirect") });
    let holding = json!({ "trap-holding": format!("127.0.0.1:{port}") });
    let own = format!("{{ http = [\"127.0.0.1:{port}\"] }}");
    let with = |allow: &str, kind: Kind| Kind { allow: allow.to_owned(), ..kind };
    let directory = format!("{{ dirs = [\"{}:/own:rw\"] }}", inside.display());
    let leave = json!({ "leave-directory": "/own" });
    vec![
        with("{ http = [\"*:*\"] }", kind("by-address", "hostile", json!({ "fetch": urls }), addresses)),
        with(&listed, kind("by-name", "hostile", by_name, denied())),
        with(&own, kind("by-redirect", "hostile", follow, denied())),
        with(
            &own,
            kind("traps-holding", "hostile", holding, End::Fails("trap: unreachable code was reached")),
        ),
        kind("changes-files", "hostile", json!("files"), End::Returns(json!([]))),
        with(
            &directory,
            kind("leaves-its-directory", "hostile", leave, End::Returns(json!(["write in it"]))),
        ),
        kind("reaches", "nosy", json!("reach"), End::Returns(json!(["clocks"]))),
        kind("adds-jobs", "hostile", json!({ "enqueue": "healthy" }), denied()),
    ]
}

/// A name that leads to this machine, and an `allow` that has it: the machine's own where it resolves to a private
/// address, so that the refusal is the address'; else `localhost` and no entry.
async fn own_name(port: u16) -> (String, String) {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let private = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
    };
    let found: Vec<_> = match tokio::net::lookup_host((name.as_str(), port)).await {
        Ok(found) => found.collect(),
        Err(_) => Vec::new(),
    };
    if name != "localhost" && !found.is_empty() && found.iter().all(|address| private(address.ip())) {
        let listed = format!("{{ http = [\"{name}:{port}\"] }}");
        (name, listed)
    } else {
        ("localhost".to_owned(), "{}".to_owned())
    }
}
