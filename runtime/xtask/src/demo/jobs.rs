//! The demo's jobs: good ones made of the handlers' samples, and hostile ones among them.

use anyhow::{Context, Result};
use gristmill_queue::NewJob;
use serde_json::{Value, json};

use crate::steps::root;

/// Jobs of one queue and name, and how they are to end.
pub(crate) struct Batch {
    pub queue: &'static str,
    pub name: &'static str,
    pub jobs: Vec<NewJob>,
    pub expected: Expected,
}

/// How the jobs of a batch are to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// All complete.
    Completed,
    /// All fail with a reason that begins so.
    Failed(&'static str),
}

/// Queues that the worker serves: name, handler, slots, further lines of their job types.
pub(crate) const QUEUES: [(&str, &str, usize, &str); 5] = [
    ("thumbnails", "thumbnail", 4, "memory = \"128MiB\"\n"),
    ("tax-documents", "tax-document", 4, ""),
    ("e-mails", "send-email", 8, "allow = { http = [\"127.0.0.1:SINK\"] }\n"),
    ("hashes", "hash", 4, ""),
    ("scripts", "scripted", 8, "timeout = \"2s\"\nmemory = \"32MiB\"\n"),
];

fn sample(handler: &str) -> Result<Value> {
    let path = root().join("handlers").join(handler).join("sample.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

fn batch(queue: &'static str, name: &'static str, count: usize, data: impl Fn(usize) -> Value) -> Batch {
    let job = |n| NewJob { name: name.into(), data: data(n).to_string(), ..NewJob::default() };
    Batch { queue, name, jobs: (0..count).map(job).collect(), expected: Expected::Completed }
}

fn hostile(name: &'static str, count: usize, steps: &Value, reason: &'static str) -> Batch {
    let data = json!({ "steps": steps });
    Batch { expected: Expected::Failed(reason), ..batch("scripts", name, count, |_| data.clone()) }
}

/// Everything that is added.
pub(crate) fn batches(sink_port: u16) -> Result<Vec<Batch>> {
    let (picture, document, mut email) =
        (sample("thumbnail")?, sample("tax-document")?, sample("send-email")?);
    email["endpoint"] = json!(format!("http://127.0.0.1:{sink_port}/emails"));
    let with = |value: &Value, field: &str, new: Value| {
        let mut changed = value.clone();
        changed[field] = new;
        changed
    };
    Ok(vec![
        hostile("loops-for-ever", 2, &json!([{ "op": "loop" }]), "timeout: "),
        hostile("sleeps-too-long", 2, &json!([{ "op": "sleep", "ms": 600_000 }]), "timeout: "),
        hostile("eats-memory", 4, &json!([{ "op": "leak", "mib": 512 }]), "memory: "),
        hostile("traps", 4, &json!([{ "op": "trap" }]), "trap: "),
        batch("thumbnails", "thumbnail", 40, |n| with(&picture, "width", json!(60 + 4 * n))),
        batch("tax-documents", "invoice", 60, |n| {
            with(&document, "number", json!(format!("2026-{:04}", n + 1)))
        }),
        batch("e-mails", "order-confirmation", 120, |n| {
            with(&email, "to", json!([format!("customer-{n}@example.com")]))
        }),
        batch("hashes", "hash", 60, |n| json!({ "text": format!("grist {n}"), "rounds": 5_000 })),
        batch("scripts", "good-neighbour", 80, |n| json!({ "steps": [{ "op": "return", "value": n }] })),
    ])
}
