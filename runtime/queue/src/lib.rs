//! The BullMQ protocol on Redis, in batches: what a worker needs of it, with scripts of our own.
//!
//! A worker has one [`Connection`] and a [`Queue`] handle per queue. The hot path is [`Queue::turn`]: one script call
//! settles finished jobs and takes new ones. Every call says what happens when it runs twice or its answer is lost.

mod add;
mod audit;
mod blobs;
mod breaker;
mod browse;
mod cancel;
mod connection;
mod core_dumps;
mod deployments;
mod error;
mod events;
mod flow;
mod inspect;
mod kept;
mod keys;
mod limiter;
mod locks;
mod modules;
mod monitor;
mod operate;
mod presence;
mod private;
mod report;
mod schedule;
mod script;
mod settings;
mod state;
mod subscription;
mod turn;
mod usage;
mod wait;

pub use add::{
    AddedFlow, Flow, MAX_FLOW, NewJob, ParentRef, Refusal, add_all, add_flow, check_custom_id,
    check_queue_name,
};
pub use audit::AuditRow;
pub use breaker::{BreakerCall, BreakerState, BreakerStep, BreakerView, Entry};
pub use browse::{Children, MinuteCounts};
pub use cancel::{Cancellation, Cancellations};
pub use connection::{Connection, Server, ServerFacts, ServerReport};
pub use core_dumps::CoreDumpError;
pub use deployments::{CanaryCounts, ChangeError, DeploymentChanges, Target};
pub use error::{ErrorKind, QueueError};
pub use events::{EventReader, QueueEvent};
pub use inspect::{JobView, STATES, queue_names, state_named};
pub use keys::Keys;
pub use limiter::{Gates, LimitCall, LimiterSlice, LimiterView, Line, TierView, Verdict, charge};
pub use locks::{Lock, Stalled};
pub use modules::ModuleStoreError;
pub use monitor::{
    AlertChange, AnomalyRow, Message, Monitor, RunningJob, ScalingRow, WORKER_TTL_MS, WorkerBeat,
};
pub use operate::{Finished, QueueLimits, Spared, Unmoved};
pub use presence::{announce, client_name};
pub use private::{PrivateRedis, PrivateRedisError};
pub use report::Report;
pub use schedule::{Every, Iteration, NewScheduler, ScheduleFailure, SchedulerView};
pub use settings::{SettingRow, read_settings};
pub use turn::{Code, Next, Taken, Turn, TurnRequest};
pub use usage::Usage;
pub use wait::{Marker, Waiter};

use std::sync::Arc;

/// One queue on one Redis. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    connection: Connection,
    keys: Arc<Keys>,
}

impl Queue {
    /// A handle; nothing is sent.
    #[must_use]
    pub fn new(connection: Connection, prefix: &str, name: &str) -> Self {
        Self { connection, keys: Arc::new(Keys::new(prefix, name)) }
    }

    /// The queue's name without prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        self.keys.queue()
    }

    /// The connection that it uses.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The queue's keys.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }
}
