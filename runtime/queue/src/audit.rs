//! Who changed what through the API: a stream of our own, bounded.

use redis::Value;
use serde::Serialize;

use crate::connection::Connection;
use crate::error::QueueError;
use crate::events::stream_entry;

const STREAM: &str = "gristmill:audit";
/// Rows that are kept, about.
const ROWS: usize = 10_000;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// When, ms since the epoch.
    pub at_ms: u64,
    /// The name of the token, or `loopback`.
    pub who: String,
    /// What was asked: `POST /api/v1/queues/email/pause`.
    pub what: String,
    /// The status that was answered.
    pub status: u16,
}

impl Connection {
    /// Appends a row. Repeating it appends another.
    pub async fn audit(&self, row: &AuditRow) -> Result<(), QueueError> {
        let mut command = redis::cmd("XADD");
        command.arg(STREAM).arg("MAXLEN").arg("~").arg(ROWS).arg("*");
        command.arg("at").arg(row.at_ms).arg("who").arg(&row.who).arg("what").arg(&row.what);
        command.arg("status").arg(row.status);
        self.call(&command).await.map(drop)
    }

    /// The newest rows, newest first.
    pub async fn audit_rows(&self, count: usize) -> Result<Vec<AuditRow>, QueueError> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(STREAM).arg("+").arg("-").arg("COUNT").arg(count.clamp(1, ROWS));
        let Value::Array(entries) = self.call(&command).await? else {
            return Err(self.unfit("audit rows"));
        };
        Ok(entries.into_iter().filter_map(row).collect())
    }
}

fn row(entry: Value) -> Option<AuditRow> {
    let (_, mut fields) = stream_entry(entry)?;
    let mut taken = |name| fields.remove(name).unwrap_or_default();
    Some(AuditRow {
        at_ms: taken("at").parse().ok()?,
        who: taken("who"),
        what: taken("what"),
        status: taken("status").parse().ok()?,
    })
}
