//! How long attempts took by the worker's own clock: from their begin until their instance was gone, as its log says.

use std::collections::HashMap;

use anyhow::{Context, Result};

/// What the attempts of some jobs took beyond their time, in ms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Late {
    pub count: usize,
    pub median: f64,
    pub p99: f64,
    pub worst: f64,
}

impl Late {
    /// `None` without a value.
    pub(crate) fn of(mut millis: Vec<f64>) -> Option<Self> {
        millis.sort_by(f64::total_cmp);
        let count = millis.len();
        let at = |share: usize| millis.get((count * share / 100).min(count.saturating_sub(1))).copied();
        Some(Self { count, median: at(50)?, p99: at(99)?, worst: at(100)? })
    }
}

/// Milliseconds of every failed attempt of a queue by the job's id. Each job has one attempt.
pub(crate) fn read(log: &str, queue: &str) -> Result<HashMap<String, f64>> {
    let of_queue = format!("queue=\"{queue}\"");
    let lines = log.lines().filter(|line| line.contains("attempt failed") && line.contains(&of_queue));
    lines
        .map(|line| {
            let after = |name: &str| line.split_once(name).map(|(_, rest)| rest);
            let read =
                || Some((after(" id=\"")?.split('"').next()?.to_owned(), millis(after(" elapsed=")?)?));
            read().with_context(|| format!("the worker's log has a line of another form: {line}"))
        })
        .collect()
}

/// Of the first words of a text that are a duration as the log shows it, such as `1m 30s`; `None` if there is none.
fn millis(text: &str) -> Option<f64> {
    let scales = [("ms", 1.0), ("µs", 1e-3), ("s", 1e3), ("m", 6e4), ("h", 3.6e6)];
    let part = |word: &str| {
        let (number, scale) =
            scales.iter().find_map(|(unit, scale)| Some((word.strip_suffix(unit)?, scale)))?;
        Some(number.parse::<f64>().ok()? * scale)
    };
    text.split(' ').map_while(part).reduce(|sum, part| sum + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_workers_log() {
        let log = "T  INFO attempt failed queue=\"q\" id=\"7\" outcome=\"timeout\" elapsed=203.25ms reason=\"timeout: x\"\n\
                   T  INFO attempt failed queue=\"other\" id=\"8\" elapsed=1ms reason=\"x\"\n\
                   T  INFO attempt failed queue=\"q\" id=\"9\" outcome=\"trap\" elapsed=1.25s reason=\"trap: x\"\n\
                   T  INFO attempt failed queue=\"q\" id=\"10\" elapsed=1m 2s reason=\"timeout: 9s\"\n";
        let late = read(log, "q").unwrap();
        assert_eq!((late.len(), late["7"], late["9"], late["10"]), (3, 203.25, 1_250.0, 62_000.0));
        assert!(read("attempt failed queue=\"q\" id=\"7\"", "q").is_err());
    }

    #[test]
    fn orders_what_it_is_given() {
        let late = Late::of((0..1_000).rev().map(f64::from).collect()).unwrap();
        assert_eq!((late.count, late.median, late.p99, late.worst), (1_000, 500.0, 990.0, 999.0));
        assert!(Late::of(Vec::new()).is_none());
    }
}
