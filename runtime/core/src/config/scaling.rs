//! `[scaling]`: marks, cooldowns, how many workers a queue has at least and at most, and what carries a decision out.

use std::net::SocketAddr;
use std::time::Duration;

use super::alerts::{http_url, known_secret, parse_number};
use super::allow::Secrets;
use super::environment::{ADDRESS, COUNT, DURATION, FLAG, TEXT, parse_count, parse_flag};
use super::monitoring::between;
use super::queue::word;
use super::reader::{Kind, Reader, Section, Variable};
use super::{Class, SecretSource};
use crate::scaling::{Marks, Range, ScalingPolicy};
use crate::units::parse_millis;

/// Workers of a queue at most.
const MAX_WORKERS: u64 = 10_000;

/// `[scaling]`
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    /// Whether decisions are made.
    pub enabled: bool,
    /// Marks and cooldowns.
    pub policy: ScalingPolicy,
    /// Workers of a queue by its class, in the order of [`Class::ALL`].
    pub ranges: [Range; Class::ALL.len()],
    /// Where KEDA's calls are answered; `None`: nowhere.
    pub keda_listen: Option<SocketAddr>,
    /// What is told of decisions.
    pub target: Option<ScalingTarget>,
}

/// `[scaling.target]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScalingTarget {
    /// Each change is posted as JSON.
    Webhook {
        /// Where.
        url: String,
        /// Signs the messages.
        secret: Option<SecretSource>,
    },
    /// The replicas of a Deployment of the cluster that this worker runs in.
    Kubernetes {
        /// Its namespace.
        namespace: String,
        /// Its name.
        deployment: String,
    },
}

/// Percent of a worker's CPU or memory.
const PERCENTAGE: Kind<f64> = Kind {
    parse: |value| match value {
        toml::de::DeValue::Integer(n) => parse_percentage(n.as_str()),
        toml::de::DeValue::Float(n) => parse_percentage(n.as_str()),
        other => Err(format!("{} is not a percentage from 1 to 100", super::reader::kind_of(other))),
    },
    show: ToString::to_string,
};

fn parse_percentage(text: &str) -> Result<f64, String> {
    parse_number(text)
        .ok()
        .filter(|number| (1.0..=100.0).contains(number))
        .ok_or_else(|| format!("`{text}` is not a percentage from 1 to 100"))
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    text.trim()
        .parse::<u64>()
        .map(Duration::from_secs)
        .map_err(|_| format!("`{text}` is not a number of seconds; write it as `60`"))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn scaling<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>, secrets: &Secrets) -> Scaling {
    let mut section = reader.section(root, "scaling");
    let flag = [Variable { name: "ENABLE_AUTO_SCALING".into(), parse: parse_flag }];
    let enabled = reader.get(&mut section, "enabled", &FLAG, &flag, true).value;
    let policy = policy(reader, &mut section);
    let ranges = ranges(reader, &mut section);
    let listen = reader.find(&mut section, "keda_listen", &TEXT, &[]);
    let keda_listen = listen.and_then(|got| {
        let parsed = got.value.parse().ok();
        if parsed.is_none() {
            let message = format!("`{}` is not an address to listen on", got.value);
            reader.error(got.place, message, Some("write it as `0.0.0.0:7677`".into()));
        }
        parsed
    });
    let target = target(reader, &mut section, secrets);
    reader.finish(&section);
    Scaling { enabled, policy, ranges, keda_listen, target }
}

fn policy<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> ScalingPolicy {
    let default = ScalingPolicy::default();
    let mut marks = |keys: [&'static str; 4], variables: &str, default: Marks| {
        let name = |end: &str| format!("{variables}_{end}");
        let depth = [Variable { name: name("QUEUE_DEPTH"), parse: parse_count }];
        let depth = reader.get(section, keys[0], &COUNT, &depth, default.depth).value;
        let latency = [Variable { name: name("QUEUE_LATENCY"), parse: parse_millis }];
        let latency =
            reader.get(section, keys[1], &DURATION, &latency, Duration::from_millis(default.latency_ms));
        let mut share = |key, end: &str, default| {
            let variable = [Variable { name: name(end), parse: parse_percentage }];
            reader.get(section, key, &PERCENTAGE, &variable, default).value
        };
        let cpu = share(keys[2], "CPU_THRESHOLD", default.cpu);
        let memory = share(keys[3], "MEMORY_THRESHOLD", default.memory);
        Marks { depth, latency_ms: millis(latency.value), cpu, memory }
    };
    let up = marks(["up_depth", "up_latency", "up_cpu", "up_memory"], "SCALE_UP", default.up);
    let down = marks(["down_depth", "down_latency", "down_cpu", "down_memory"], "SCALE_DOWN", default.down);
    let crossed = [
        ("depth", up.depth as f64, down.depth as f64),
        ("latency", up.latency_ms as f64, down.latency_ms as f64),
        ("cpu", up.cpu, down.cpu),
        ("memory", up.memory, down.memory),
    ];
    for (what, up, down) in crossed {
        if down >= up {
            let message = format!("`scaling.down_{what}` must be below `scaling.up_{what}`");
            let hint = "else workers would be added and let go by the same value".to_owned();
            reader.error(reader.at(section.line), message, Some(hint));
        }
    }
    let mut cooldown = |key, variable: &str, default: u64| {
        let variable = [Variable { name: variable.into(), parse: parse_seconds }];
        let got = reader.get(section, key, &DURATION, &variable, Duration::from_millis(default));
        between(reader, section, key, &got, [Duration::from_secs(1), Duration::from_hours(24)]);
        millis(got.value)
    };
    let up_cooldown_ms = cooldown("up_cooldown", "SCALE_UP_COOLDOWN", default.up_cooldown_ms);
    let down_cooldown_ms = cooldown("down_cooldown", "SCALE_DOWN_COOLDOWN", default.down_cooldown_ms);
    ScalingPolicy { up, down, up_cooldown_ms, down_cooldown_ms }
}

fn ranges<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> [Range; Class::ALL.len()] {
    let mut range = |keys: [&'static str; 2], variables: &str, default: Range| {
        let mut read = |key, end: &str, default| {
            let variable = [Variable { name: format!("{variables}{end}"), parse: parse_count }];
            reader.get(section, key, &COUNT, &variable, default)
        };
        let (min, max) =
            (read(keys[0], "MIN_WORKERS", default.min), read(keys[1], "MAX_WORKERS", default.max));
        if min.value > max.value || max.value > MAX_WORKERS {
            let message = format!(
                "`scaling.{}` is {} and `scaling.{}` is {}: the least is at most the most, and that at most {MAX_WORKERS}",
                keys[0], min.value, keys[1], max.value
            );
            let place = if max.place == "default" { min.place } else { max.place };
            reader.error(place, message, None);
        }
        Range { min: min.value.min(max.value), max: max.value.min(MAX_WORKERS) }
    };
    let all = range(["min_workers", "max_workers"], "", Range { min: 1, max: 10 });
    let critical =
        range(["critical_min_workers", "critical_max_workers"], "CRITICAL_", Range { min: 2, max: 20 });
    let background =
        range(["background_min_workers", "background_max_workers"], "BACKGROUND_", Range { min: 1, max: 5 });
    Class::ALL.map(|class| match class {
        Class::Critical => critical,
        Class::Background => background,
        _ => all,
    })
}

fn target<'a>(
    reader: &mut Reader<'a>,
    scaling: &mut Section<'a>,
    secrets: &Secrets,
) -> Option<ScalingTarget> {
    reader.place_of(scaling, "target")?;
    let mut section = reader.section(scaling, "target");
    let words = [("webhook", false), ("kubernetes", true)];
    let kubernetes = word(reader, &mut section, "kind", "a kind of target", words, words[0]);
    let target = if kubernetes {
        let namespace = reader.find(&mut section, "namespace", &TEXT, &[]);
        let deployment = reader.find(&mut section, "deployment", &TEXT, &[]);
        match (namespace, deployment) {
            (Some(namespace), Some(deployment))
                if [&namespace.value, &deployment.value].iter().all(|name| is_kubernetes_name(name)) =>
            {
                Some(ScalingTarget::Kubernetes { namespace: namespace.value, deployment: deployment.value })
            }
            _ => {
                let hint = "write `namespace = \"jobs\"` and `deployment = \"gristmill\"`".to_owned();
                let message = format!("`{}` needs the names of a namespace and a Deployment", section.path);
                reader.error(reader.at(section.line), message, Some(hint));
                None
            }
        }
    } else {
        let url = reader.get(&mut section, "url", &ADDRESS, &[], String::new());
        let secret = reader.find(&mut section, "secret", &TEXT, &[]);
        let secret = secret.and_then(|got| known_secret(reader, &got, secrets));
        http_url(reader, &section, url).map(|url| ScalingTarget::Webhook { url, secret })
    };
    reader.finish(&section);
    target
}

fn is_kubernetes_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
}

/// What a queue says of its own workers.
pub(super) fn of_queue<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> (Option<u64>, Option<u64>) {
    let min = reader.find(section, "min_workers", &COUNT, &[]);
    let max = reader.find(section, "max_workers", &COUNT, &[]);
    let bad = max
        .as_ref()
        .is_some_and(|max| max.value > MAX_WORKERS || min.as_ref().is_some_and(|min| min.value > max.value));
    if let (true, Some(max)) = (bad, &max) {
        let message = format!(
            "`{}.max_workers` must be at least `min_workers` and at most {MAX_WORKERS}",
            section.path
        );
        reader.error(max.place.clone(), message, None);
    }
    (min.map(|got| got.value), max.map(|got| got.value.min(MAX_WORKERS)))
}
