//! Follows the settings that are changed while workers run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gristmill_core::setting::Setting;
use gristmill_queue::{Connection, SettingRow};
use gristmill_telemetry::Metrics;
use gristmill_telemetry::event::SettingChanged;

use crate::handlers::Handlers;
use crate::shares::Shares;

/// How often a worker looks: every change is obeyed well within a second.
const LOOK: Duration = Duration::from_millis(500);

/// Looks for as long as it is polled; while Redis is away, what was seen last holds.
pub(crate) async fn follow(
    connection: Connection,
    handlers: Arc<Handlers>,
    shares: Arc<Shares>,
    metrics: Metrics,
) {
    let mut known = BTreeMap::new();
    loop {
        if let Ok(rows) = connection.settings().await
            && rows != known
        {
            let settings = changed(&known, &rows, |setting| handlers.check(setting));
            shares.set(&settings, &metrics);
            handlers.set(settings);
            known = rows;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What the new rows say, with a word on each that differs.
fn changed(
    known: &BTreeMap<String, SettingRow>,
    rows: &BTreeMap<String, SettingRow>,
    check: impl Fn(&Setting) -> Result<(), String>,
) -> Vec<Setting> {
    for key in known.keys().filter(|key| !rows.contains_key(*key)) {
        SettingChanged { key, value: None, by: "", refused: None }.emit();
    }
    let mut settings = Vec::new();
    for (key, row) in rows {
        let setting = Setting::parse(key, &row.value).and_then(|setting| check(&setting).map(|()| setting));
        if known.get(key) != Some(row) {
            let refused = setting.as_ref().err().map(String::as_str);
            SettingChanged { key, value: Some(&row.value), by: &row.by, refused }.emit();
        }
        settings.extend(setting);
    }
    settings
}
