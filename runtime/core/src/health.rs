//! How a queue does, with the issues that explain it.

use serde::Serialize;

use crate::alert::{AlertSeverity, Rule};
use crate::sample::Sample;

/// How a queue does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// No rule holds.
    Healthy,
    /// A rule warns, or its jobs wait while it is paused.
    Warning,
    /// A rule is critical.
    Critical,
}

impl Status {
    /// The word in the API, metrics and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Judges a queue by its rows, the newest last. The worst issues come first.
#[must_use]
pub fn judge(queue: &str, rules: &[Rule], rows: &[Sample]) -> (Status, Vec<String>) {
    let mut found: Vec<(Status, String)> = rules
        .iter()
        .filter(|rule| rule.is_for(queue))
        .filter_map(|rule| rule.look(rows))
        .map(|finding| match finding.severity {
            AlertSeverity::Critical => (Status::Critical, finding.summary),
            AlertSeverity::Warning => (Status::Warning, finding.summary),
        })
        .collect();
    if rows.last().is_some_and(|row| row.paused && row.depths.backlog() > 0) {
        found.push((Status::Warning, "it is paused, and jobs wait".to_owned()));
    }
    found.sort_by_key(|(status, _)| std::cmp::Reverse(*status));
    let status = found.first().map_or(Status::Healthy, |(status, _)| *status);
    (status, found.into_iter().map(|(_, issue)| issue).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Thresholds, built_in};
    use crate::sample::{Depths, Staff};
    use crate::tally::Tally;

    #[test]
    fn the_worst_issue_gives_the_status() {
        let rules = built_in(&Thresholds::default());
        let row = |waiting, workers, paused| {
            let depths = Depths { waiting, ..Depths::default() };
            let staff = Staff { workers, memory_percent: 80.0, ..Staff::default() };
            [Sample::new((1, 60_000), depths, (0, paused), &Tally::default(), staff)]
        };
        let (status, issues) = judge("q", &rules, &row(600, 1, true));
        assert_eq!(status, Status::Critical);
        assert_eq!(
            issues,
            [
                "600 jobs wait, more than 500",
                "workers use 80 % of their memory limit, more than 75 %",
                "it is paused, and jobs wait",
            ]
        );
        assert_eq!(judge("q", &rules, &row(1, 0, false)).1[0], "jobs wait and no worker serves the queue");
        assert_eq!(judge("q", &rules[..1], &row(200, 1, false)), (Status::Healthy, Vec::new()));
        assert_eq!(judge("q", &rules, &[]).0, Status::Healthy);
    }
}
