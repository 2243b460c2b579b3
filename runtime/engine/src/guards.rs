//! Limiters and breakers of a worker: what they are now, which of them a whole queue shares, and asking them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use gristmill_core::breaker::{Breaker, Guarded};
use gristmill_core::config::{self, Config, Groups};
use gristmill_core::limiter::{Charge, Limiter, Unreachable, key_of};
use gristmill_core::service::{BreakerError, LimitError};
use gristmill_queue::{
    BreakerCall, BreakerState, BreakerStep, Connection, Entry, Gates, LimitCall, Line, Verdict, charge,
};
use gristmill_telemetry::Metrics;
use gristmill_telemetry::event::{BreakerMoved, GuardAsked};

/// How long a job waits for a limiter that cannot be asked.
const UNREACHABLE_MS: u64 = 1_000;

/// Every limiter and breaker, and who uses them.
pub(crate) struct Definitions {
    pub limiters: BTreeMap<String, Limiter>,
    pub breakers: BTreeMap<String, Breaker>,
    queues: HashMap<String, Shared>,
}

/// What all job types of a queue declare alike, so that it can be asked before jobs are taken.
#[derive(Default)]
struct Shared {
    charges: Vec<Charge>,
    breakers: Vec<String>,
    groups: Option<Groups>,
    gates: Option<Arc<Gates>>,
    /// On a Cluster.
    groups_alone: Option<Arc<Gates>>,
}

impl Definitions {
    pub(crate) fn new(config: &Config) -> Self {
        let mut made = Self {
            limiters: config.limiters.clone(),
            breakers: config.breakers.clone(),
            queues: config.queues.iter().map(|(name, queue)| (name.clone(), shared(queue))).collect(),
        };
        made.make_gates();
        made
    }

    fn make_gates(&mut self) {
        let (limiters, breakers) = (&self.limiters, &self.breakers);
        for queue in self.queues.values_mut() {
            let charge = |charge: &Charge| {
                let (name, limiter) = limiters.get_key_value(&charge.limiter)?;
                Some(LimitCall { name, limiter, key: "", cost: charge.cost })
            };
            let breaker = |name: &String| {
                let (name, breaker) = breakers.get_key_value(name)?;
                Some(BreakerCall { name, breaker, key: "" })
            };
            let charges: Vec<_> = queue.charges.iter().filter_map(charge).collect();
            let calls: Vec<_> = queue.breakers.iter().filter_map(breaker).collect();
            let groups = queue.groups.as_ref();
            queue.gates = Gates::new(&charges, &calls, groups).map(Arc::new);
            queue.groups_alone = Gates::new(&[], &[], groups).map(Arc::new);
        }
    }
}

fn shared(queue: &config::Queue) -> Shared {
    let mut types = queue.jobs.values();
    let groups = queue.groups.clone();
    let Some(first) = types.next() else { return Shared { groups, ..Shared::default() } };
    let mut charges: Vec<Charge> = first.limiters.iter().filter(|c| c.key.is_none()).cloned().collect();
    let mut breakers = first.breakers.clone();
    for other in types {
        charges.retain(|charge| other.limiters.contains(charge));
        breakers.retain(|breaker| other.breakers.contains(breaker));
    }
    Shared { charges, breakers, groups, ..Shared::default() }
}

/// Asks limiters and breakers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Guards {
    connection: Connection,
    definitions: Arc<ArcSwap<Definitions>>,
    metrics: Metrics,
}

/// A job that may not start yet.
pub(crate) struct Held {
    pub wait_ms: u64,
    /// Who holds it: `limiter` or `breaker`.
    pub noun: &'static str,
    pub name: String,
    /// Every job of the queue would be held.
    pub shared: bool,
}

/// A call that a breaker let pass; it wants to hear how it ended.
pub(crate) struct Passed {
    pub name: String,
    pub key: String,
    pub epoch: u64,
    probe: bool,
}

impl Guards {
    pub(crate) fn new(
        connection: Connection,
        definitions: Arc<ArcSwap<Definitions>>,
        metrics: Metrics,
    ) -> Self {
        Self { connection, definitions, metrics }
    }

    /// What a queue's `turn` asks before it takes. On a Cluster each job asks limiters and breakers itself.
    pub(crate) fn gates(&self, queue: &str) -> Option<Arc<Gates>> {
        let definitions = self.definitions.load();
        let shared = definitions.queues.get(queue)?;
        if self.connection.is_cluster() { shared.groups_alone.clone() } else { shared.gates.clone() }
    }

    /// Asks what a job type declares and its queue's `turn` has not asked. `again`: the job was sent away before.
    /// `Err`: it waits, and nothing is charged.
    pub(crate) async fn admit(
        &self,
        queue: &str,
        limiters: &[Charge],
        breakers: &[String],
        data: &[u8],
        again: bool,
    ) -> Result<Vec<Passed>, Held> {
        let definitions = self.definitions.load_full();
        let shared = definitions.queues.get(queue);
        let mut passed = Vec::new();
        for name in breakers {
            let Some(breaker) = definitions.breakers.get(name) else { continue };
            match self.enter_with(name, breaker, "").await {
                Ok(entry) => passed.extend(entry),
                Err(wait_ms) => {
                    self.leave_all(passed, Guarded::Ignore).await;
                    let shared = shared.is_some_and(|shared| shared.breakers.contains(name));
                    return Err(Held { wait_ms, noun: "breaker", name: name.clone(), shared });
                }
            }
        }
        let cluster = self.connection.is_cluster();
        let asked =
            |charge: &&Charge| cluster || !shared.is_some_and(|shared| shared.charges.contains(charge));
        let own: Vec<&Charge> = limiters.iter().filter(asked).collect();
        let keys: Vec<String> =
            own.iter().map(|c| c.key.as_ref().map(|at| key_of(data, at)).unwrap_or_default()).collect();
        let mut calls = Vec::with_capacity(own.len());
        for (charge, key) in own.iter().zip(&keys) {
            if let Some((name, limiter)) = definitions.limiters.get_key_value(&charge.limiter) {
                calls.push(LimitCall { name, limiter, key, cost: charge.cost });
            }
        }
        if calls.is_empty() {
            return Ok(passed);
        }
        let line = if again { Line::Front } else { Line::Back };
        let (wait_ms, number) = match charge(&self.connection, &calls, line).await {
            Ok(Verdict::Charged) => {
                for call in &calls {
                    self.count(call.name, "limiter", true);
                }
                return Ok(passed);
            }
            Ok(Verdict::Refused { wait_ms, call, .. }) => (wait_ms, call),
            Err(_) => match calls.iter().position(|c| c.limiter.unreachable == Unreachable::Refuse) {
                Some(number) => (UNREACHABLE_MS, number),
                None => return Ok(passed),
            },
        };
        let name = calls.get(number).map_or("", |call| call.name).to_owned();
        self.count(&name, "limiter", false);
        self.leave_all(passed, Guarded::Ignore).await;
        let shared = shared.is_some_and(|shared| shared.charges.iter().any(|charge| charge.limiter == name));
        Err(Held { wait_ms, noun: "limiter", name, shared })
    }

    fn count(&self, name: &str, noun: &'static str, passed: bool) {
        GuardAsked { noun, name, passed }.emit(&self.metrics);
    }

    /// Counts what a queue's `turn` was let take, or was refused by `gate`.
    pub(crate) fn count_taken(&self, queue: &str, taken: usize, gate: Option<&str>) {
        let definitions = self.definitions.load();
        if let Some(gate) = gate {
            let noun = if definitions.limiters.contains_key(gate) { "limiter" } else { "breaker" };
            self.count(gate, noun, false);
            if noun == "breaker" {
                // It is open, or has as many probes under way as it may: another worker saw which.
                BreakerMoved { name: gate, state: "open", before: "open" }.emit(&self.metrics);
            }
        }
        let Some(shared) = definitions.queues.get(queue).filter(|_| taken > 0) else { return };
        for charge in &shared.charges {
            GuardAsked { noun: "limiter", name: &charge.limiter, passed: true }
                .emit_many(taken, &self.metrics);
        }
    }

    /// One call of a handler.
    pub(crate) async fn acquire(&self, name: &str, key: &str, cost: u64) -> Result<(), LimitError> {
        let definitions = self.definitions.load_full();
        let Some(limiter) = definitions.limiters.get(name) else { return Err(LimitError::Unknown) };
        if let Some(tier) = limiter.tiers.iter().find(|tier| tier.limit < cost) {
            return Err(LimitError::Invalid(format!(
                "a cost of {cost}, and `{name}` never has more than `{tier}`"
            )));
        }
        let call = LimitCall { name, limiter, key, cost };
        match charge(&self.connection, &[call], Line::None).await {
            Ok(Verdict::Charged) => {
                self.count(name, "limiter", true);
                Ok(())
            }
            Ok(Verdict::Refused { wait_ms, window_ms, .. }) => {
                self.count(name, "limiter", false);
                Err(match window_ms {
                    0 => LimitError::Invalid(format!("`{name}` has as many keys as it may")),
                    _ => LimitError::Limited { wait_ms },
                })
            }
            Err(_) if limiter.unreachable == Unreachable::Allow => Ok(()),
            Err(error) => Err(LimitError::Unavailable(error.to_string())),
        }
    }

    /// A handler's, or its HTTP request's, entry. A breaker that cannot be asked lets it pass.
    pub(crate) async fn enter(&self, name: &str, key: &str) -> Result<Option<Passed>, BreakerError> {
        let definitions = self.definitions.load_full();
        let Some(breaker) = definitions.breakers.get(name) else { return Err(BreakerError::Unknown) };
        let entered = self.enter_with(name, breaker, key).await;
        entered.map_err(|wait_ms| BreakerError::Open { wait_ms })
    }

    async fn enter_with(&self, name: &str, breaker: &Breaker, key: &str) -> Result<Option<Passed>, u64> {
        let call = BreakerCall { name, breaker, key };
        let Ok(entry) = call.step(&self.connection, BreakerStep::Enter).await else { return Ok(None) };
        self.count(name, "breaker", entry.passes.is_ok());
        self.moved(name, entry);
        let probe = entry.state == BreakerState::HalfOpen;
        let (name, key) = (name.to_owned(), key.to_owned());
        entry.passes.map(|epoch| Some(Passed { name, key, epoch, probe }))
    }

    fn moved(&self, name: &str, entry: Entry) {
        let (state, before) = (entry.state.as_str(), entry.before.as_str());
        BreakerMoved { name, state, before }.emit(&self.metrics);
    }

    /// Tells breakers how what they let pass has ended.
    pub(crate) async fn leave_all(&self, passed: Vec<Passed>, how: Guarded) {
        for passed in passed {
            // What ended before it began matters to a half-open breaker only.
            if how != Guarded::Ignore || passed.probe {
                self.leave(&passed.name, &passed.key, passed.epoch, how).await;
            }
        }
    }

    pub(crate) async fn leave(&self, name: &str, key: &str, epoch: u64, how: Guarded) {
        let definitions = self.definitions.load_full();
        let Some(breaker) = definitions.breakers.get(name) else { return };
        let step = match how {
            Guarded::Success => BreakerStep::Success(epoch),
            Guarded::Failure => BreakerStep::Failure(epoch),
            Guarded::Ignore => BreakerStep::Ignore(epoch),
        };
        // Unheard, it lacks one call of many.
        if let Ok(entry) = (BreakerCall { name, breaker, key }).step(&self.connection, step).await {
            self.moved(name, entry);
        }
    }
}
