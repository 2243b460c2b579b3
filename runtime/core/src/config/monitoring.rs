//! `[monitoring]`: what is looked at, how often, and for how long it is kept.

use std::time::Duration;

use super::environment::{DURATION, FLAG, parse_flag};
use super::reader::{Got, Reader, Section, Variable};
use crate::units::{parse_hours, parse_millis};

/// `[monitoring]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitoring {
    /// Whether queues are looked at: history, health, alerts and scaling need it.
    pub enabled: bool,
    /// The time between two rows of a queue's history.
    pub interval: Duration,
    /// How often queues are looked at for alerts and scaling.
    pub health_interval: Duration,
    /// For how long history is kept.
    pub retention: Duration,
    /// How often the dashboard gets what is new.
    pub dashboard_refresh: Duration,
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Duration::from_secs(60),
            health_interval: Duration::from_secs(30),
            retention: Duration::from_hours(168),
            dashboard_refresh: Duration::from_secs(5),
        }
    }
}

pub(super) fn monitoring<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>) -> Monitoring {
    let mut section = reader.section(root, "monitoring");
    let default = Monitoring::default();
    let variable = |name: &str| [Variable { name: name.into(), parse: parse_millis }];
    let flag = [Variable { name: "ENABLE_QUEUE_MONITORING".into(), parse: parse_flag }];
    let enabled = reader.get(&mut section, "enabled", &FLAG, &flag, default.enabled).value;
    let interval =
        reader.get(&mut section, "interval", &DURATION, &variable("METRICS_INTERVAL"), default.interval);
    between(reader, &section, "interval", &interval, [Duration::from_secs(1), Duration::from_hours(1)]);
    let health = variable("HEALTH_CHECK_INTERVAL");
    let health = reader.get(&mut section, "health_interval", &DURATION, &health, default.health_interval);
    between(
        reader,
        &section,
        "health_interval",
        &health,
        [Duration::from_millis(500), Duration::from_hours(1)],
    );
    let hours = [Variable { name: "METRICS_RETENTION_HOURS".into(), parse: parse_hours }];
    let retention = reader.get(&mut section, "retention", &DURATION, &hours, default.retention);
    between(
        reader,
        &section,
        "retention",
        &retention,
        [Duration::from_hours(1), Duration::from_hours(24 * 366)],
    );
    let refresh = variable("DASHBOARD_REFRESH_INTERVAL");
    let refresh =
        reader.get(&mut section, "dashboard_refresh", &DURATION, &refresh, default.dashboard_refresh);
    between(
        reader,
        &section,
        "dashboard_refresh",
        &refresh,
        [Duration::from_millis(500), Duration::from_hours(1)],
    );
    reader.finish(&section);
    Monitoring {
        enabled,
        interval: interval.value.max(Duration::from_secs(1)),
        health_interval: health.value.max(Duration::from_millis(500)),
        retention: retention.value,
        dashboard_refresh: refresh.value.max(Duration::from_millis(500)),
    }
}

/// A duration that is too short or too long is an error.
pub(super) fn between(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    got: &Got<Duration>,
    [least, most]: [Duration; 2],
) {
    if !(least..=most).contains(&got.value) {
        let show = crate::units::show_duration;
        let message = format!("`{}.{key}` must be `{}` to `{}`", section.path, show(least), show(most));
        reader.error(got.place.clone(), message, None);
    }
}
