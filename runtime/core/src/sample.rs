//! What a queue was like at one moment and in the interval before it: the rows of the history.

use serde::{Deserialize, Serialize};

use crate::tally::Tally;

/// Jobs of a queue by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depths {
    /// Waiting, in a list that version 5 of `BullMQ` keeps for a paused queue too.
    pub waiting: u64,
    /// Waiting with a priority.
    pub prioritized: u64,
    /// Running.
    pub active: u64,
    /// For later.
    pub delayed: u64,
    /// Waiting for their children.
    pub waiting_children: u64,
    /// Completed and kept.
    pub completed: u64,
    /// Failed and kept.
    pub failed: u64,
}

impl Depths {
    /// Jobs that could run now.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.waiting.saturating_add(self.prioritized)
    }

    /// Each under BullMQ's word for the state; jobs of version 5's paused list are among the waiting ones.
    #[must_use]
    pub fn by_state(&self) -> [(&'static str, u64); 7] {
        [
            ("waiting", self.waiting),
            ("active", self.active),
            ("prioritized", self.prioritized),
            ("delayed", self.delayed),
            ("waiting-children", self.waiting_children),
            ("completed", self.completed),
            ("failed", self.failed),
        ]
    }
}

/// What the workers of a queue are like, together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Staff {
    /// Workers that serve the queue.
    pub workers: u64,
    /// Slots that it may have on them.
    pub slots: u64,
    /// Percent of one worker's cores, in the mean.
    pub cpu_percent: f64,
    /// Percent of one worker's hard memory limit, in the mean.
    pub memory_percent: f64,
    /// Resident bytes of all of them.
    pub memory_bytes: u64,
}

/// One row of a queue's history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The end of the interval, ms since the epoch.
    pub at_ms: u64,
    /// Its length.
    pub interval_ms: u64,
    /// Jobs by state at its end.
    pub depths: Depths,
    /// For how long the oldest job that could run has waited; 0 where none waits.
    pub oldest_wait_ms: u64,
    /// Nobody may take its jobs.
    pub paused: bool,
    /// Attempts of the interval that returned.
    pub completed: u64,
    /// Attempts of the interval that failed.
    pub failed: u64,
    /// Attempts of the interval that timed out.
    pub timeouts: u64,
    /// Mean wall time of an attempt; `None` without attempts, as the next ones.
    pub mean_ms: Option<f64>,
    /// Wall time that half of the attempts are not above.
    pub p50_ms: Option<f64>,
    /// That 95 % are not above.
    pub p95_ms: Option<f64>,
    /// That 99 % are not above.
    pub p99_ms: Option<f64>,
    /// Wait for the first start that 95 % of the jobs are not above.
    pub wait_p95_ms: Option<f64>,
    /// Who serves it.
    pub staff: Staff,
}

impl Sample {
    /// Puts a row together from what was counted.
    #[must_use]
    pub fn new(
        (at_ms, interval_ms): (u64, u64),
        depths: Depths,
        (oldest_wait_ms, paused): (u64, bool),
        tally: &Tally,
        staff: Staff,
    ) -> Self {
        Self {
            at_ms,
            interval_ms,
            depths,
            oldest_wait_ms,
            paused,
            completed: tally.completed,
            failed: tally.failed,
            timeouts: tally.timeouts,
            mean_ms: tally.mean_ms(),
            p50_ms: tally.time_ms(0.5),
            p95_ms: tally.time_ms(0.95),
            p99_ms: tally.time_ms(0.99),
            wait_p95_ms: tally.wait_ms(0.95),
            staff,
        }
    }

    /// So many per minute.
    fn per_minute(&self, count: u64) -> f64 {
        if self.interval_ms == 0 { 0.0 } else { count as f64 * 60_000.0 / self.interval_ms as f64 }
    }

    /// Percent of the interval's attempts; `None` without attempts.
    fn share(&self, count: u64) -> Option<f64> {
        let attempts = self.completed + self.failed;
        (attempts > 0).then(|| 100.0 * count as f64 / attempts as f64)
    }

    /// The value of a series; `None` where there is none, such as a time without attempts.
    #[must_use]
    pub fn value(&self, series: Series) -> Option<f64> {
        let number = |n: u64| Some(n as f64);
        match series {
            Series::Backlog => number(self.depths.backlog()),
            Series::Waiting => number(self.depths.waiting),
            Series::Prioritized => number(self.depths.prioritized),
            Series::Active => number(self.depths.active),
            Series::Delayed => number(self.depths.delayed),
            Series::WaitingChildren => number(self.depths.waiting_children),
            Series::CompletedTotal => number(self.depths.completed),
            Series::FailedTotal => number(self.depths.failed),
            Series::OldestWaitMs => number(self.oldest_wait_ms),
            Series::CompletedPerMinute => Some(self.per_minute(self.completed)),
            Series::FailedPerMinute => Some(self.per_minute(self.failed)),
            Series::ErrorRate => self.share(self.failed),
            Series::TimeoutRate => self.share(self.timeouts),
            Series::MeanMs => self.mean_ms,
            Series::P50Ms => self.p50_ms,
            Series::P95Ms => self.p95_ms,
            Series::P99Ms => self.p99_ms,
            Series::WaitP95Ms => self.wait_p95_ms,
            Series::Workers => number(self.staff.workers),
            Series::Slots => number(self.staff.slots),
            Series::CpuPercent => Some(self.staff.cpu_percent),
            Series::MemoryPercent => Some(self.staff.memory_percent),
            Series::MemoryBytes => number(self.staff.memory_bytes),
        }
    }

    /// One row for several, in the order of their time; `None` of none. Counts are added, depths and staff averaged, and
    /// of waits and times the worst stays.
    #[must_use]
    pub fn roll_up(rows: &[Self]) -> Option<Self> {
        let last = rows.last()?;
        let sum = |of: fn(&Self) -> u64| rows.iter().map(of).fold(0, u64::saturating_add);
        let mean = |of: fn(&Self) -> u64| sum(of) / rows.len() as u64;
        let worst = |of: fn(&Self) -> Option<f64>| rows.iter().filter_map(of).reduce(f64::max);
        let attempts = sum(|row| row.completed + row.failed);
        let busy = |row: &Self| row.mean_ms.unwrap_or(0.0) * (row.completed + row.failed) as f64;
        let halves = |row: &Self| row.p50_ms.unwrap_or(0.0) * (row.completed + row.failed) as f64;
        let weighed = |of: &dyn Fn(&Self) -> f64| {
            (attempts > 0).then(|| rows.iter().map(of).sum::<f64>() / attempts as f64)
        };
        let average = |of: fn(&Self) -> f64| rows.iter().map(of).sum::<f64>() / rows.len() as f64;
        Some(Self {
            at_ms: last.at_ms,
            interval_ms: sum(|row| row.interval_ms),
            depths: Depths {
                waiting: mean(|row| row.depths.waiting),
                prioritized: mean(|row| row.depths.prioritized),
                active: mean(|row| row.depths.active),
                delayed: mean(|row| row.depths.delayed),
                waiting_children: mean(|row| row.depths.waiting_children),
                completed: last.depths.completed,
                failed: last.depths.failed,
            },
            oldest_wait_ms: rows.iter().map(|row| row.oldest_wait_ms).max().unwrap_or(0),
            paused: last.paused,
            completed: sum(|row| row.completed),
            failed: sum(|row| row.failed),
            timeouts: sum(|row| row.timeouts),
            mean_ms: weighed(&busy),
            p50_ms: weighed(&halves),
            p95_ms: worst(|row| row.p95_ms),
            p99_ms: worst(|row| row.p99_ms),
            wait_p95_ms: worst(|row| row.wait_p95_ms),
            staff: Staff {
                workers: mean(|row| row.staff.workers),
                slots: mean(|row| row.staff.slots),
                cpu_percent: average(|row| row.staff.cpu_percent),
                memory_percent: average(|row| row.staff.memory_percent),
                memory_bytes: mean(|row| row.staff.memory_bytes),
            },
        })
    }

    /// One row for several queues at one moment; `None` of none. Depths, counts and memory are added, of waits and times
    /// the worst stays, and workers that serve several queues are counted once, as far as that can be known.
    #[must_use]
    pub fn across(rows: &[Self]) -> Option<Self> {
        let mut all = Self::roll_up(rows)?;
        let sum = |of: fn(&Self) -> u64| rows.iter().map(of).fold(0, u64::saturating_add);
        let most = |of: fn(&Self) -> u64| rows.iter().map(of).max().unwrap_or(0);
        all.at_ms = most(|row| row.at_ms);
        all.interval_ms = most(|row| row.interval_ms);
        all.depths = Depths {
            waiting: sum(|row| row.depths.waiting),
            prioritized: sum(|row| row.depths.prioritized),
            active: sum(|row| row.depths.active),
            delayed: sum(|row| row.depths.delayed),
            waiting_children: sum(|row| row.depths.waiting_children),
            completed: sum(|row| row.depths.completed),
            failed: sum(|row| row.depths.failed),
        };
        all.paused = rows.iter().all(|row| row.paused);
        all.staff.workers = most(|row| row.staff.workers);
        all.staff.slots = sum(|row| row.staff.slots);
        all.staff.memory_bytes = most(|row| row.staff.memory_bytes);
        Some(all)
    }
}

/// What the history holds of a queue, each by one name in rules, the API and the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Series {
    /// Jobs that could run now: `waiting` and `prioritized`.
    Backlog,
    /// Jobs that wait without a priority.
    Waiting,
    /// Jobs that wait with a priority.
    Prioritized,
    /// Jobs that run.
    Active,
    /// Jobs for later.
    Delayed,
    /// Jobs that wait for their children.
    WaitingChildren,
    /// Completed jobs that are kept.
    CompletedTotal,
    /// Failed jobs that are kept.
    FailedTotal,
    /// For how long the oldest job that could run has waited.
    OldestWaitMs,
    /// Attempts that returned, per minute.
    CompletedPerMinute,
    /// Attempts that failed, per minute.
    FailedPerMinute,
    /// Percent of the attempts that failed.
    ErrorRate,
    /// Percent of the attempts that timed out.
    TimeoutRate,
    /// Mean wall time of attempts.
    MeanMs,
    /// Median wall time.
    P50Ms,
    /// 95 % of the attempts took at most so long.
    P95Ms,
    /// 99 % of the attempts took at most so long.
    P99Ms,
    /// 95 % of the jobs waited at most so long for their first start.
    WaitP95Ms,
    /// Workers that serve the queue.
    Workers,
    /// Slots that it may have on them.
    Slots,
    /// CPU of its workers, percent of the cores, in the mean.
    CpuPercent,
    /// Memory of its workers, percent of their hard limit, in the mean.
    MemoryPercent,
    /// Resident memory of its workers.
    MemoryBytes,
}

impl Series {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Self); 23] = [
        ("backlog", Self::Backlog),
        ("waiting", Self::Waiting),
        ("prioritized", Self::Prioritized),
        ("active", Self::Active),
        ("delayed", Self::Delayed),
        ("waiting_children", Self::WaitingChildren),
        ("completed_total", Self::CompletedTotal),
        ("failed_total", Self::FailedTotal),
        ("oldest_wait_ms", Self::OldestWaitMs),
        ("completed_per_minute", Self::CompletedPerMinute),
        ("failed_per_minute", Self::FailedPerMinute),
        ("error_rate", Self::ErrorRate),
        ("timeout_rate", Self::TimeoutRate),
        ("mean_ms", Self::MeanMs),
        ("p50_ms", Self::P50Ms),
        ("p95_ms", Self::P95Ms),
        ("p99_ms", Self::P99Ms),
        ("wait_p95_ms", Self::WaitP95Ms),
        ("workers", Self::Workers),
        ("slots", Self::Slots),
        ("cpu_percent", Self::CpuPercent),
        ("memory_percent", Self::MemoryPercent),
        ("memory_bytes", Self::MemoryBytes),
    ];

    /// The series of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, series)| series)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, series)| *series == self).map_or("", |(name, _)| name)
    }
}

#[cfg(test)]
mod tests;
