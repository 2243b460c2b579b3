//! CPU time and memory of a process and its children, from `/proc`.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context, Result};

/// `sysconf(_SC_CLK_TCK)` of every Linux we run on.
const TICKS_PER_S: f64 = 100.0;

/// Fields of `/proc/PID/stat` after the command's closing parenthesis: state is 0, ppid 1, utime 11, stime 12.
fn stat(pid: u32) -> Option<(u32, f64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some((fields.get(1)?.parse().ok()?, ticks / TICKS_PER_S))
}

fn family(pid: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Some(child) = entry.file_name().to_str().and_then(|n| n.parse().ok())
            && let Some((parent, _)) = stat(child)
        {
            children.entry(parent).or_default().push(child);
        }
    }
    let mut family = vec![pid];
    let mut next = 0;
    while next < family.len() {
        family.extend(children.get(&family[next]).into_iter().flatten());
        next += 1;
    }
    family
}

/// Seconds of CPU that a process and its living children have used.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    stat(pid).with_context(|| format!("process {pid} is gone"))?;
    Ok(family(pid).into_iter().filter_map(stat).map(|(_, seconds)| seconds).sum())
}

/// Resident MiB of a process and its children.
pub(crate) fn resident_mib(pid: u32) -> f64 {
    let resident = |pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()
    };
    family(pid).into_iter().filter_map(resident).sum::<f64>() / 1024.0
}
