//! Looking after all queues: health, history, alerts and scaling. Every worker can; one at a time has the turn, and another
//! takes it over within seconds when that one is gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gristmill_core::clock::Clock;
use gristmill_core::sample::Sample;
use gristmill_queue::{Monitor, QueueError};
use gristmill_telemetry::event::TurnTaken;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::server::Pages;

mod alerting;
mod history;
pub(crate) mod look;
mod notify;
mod scaling;
mod send;

pub(crate) use history::{COARSE_MS, FINE_KEPT_MS};

/// For how long a turn is had without being renewed, and how often that is done.
const TURN_MS: u64 = 12_000;
const RENEW: Duration = Duration::from_secs(4);

/// Looks after all whenever this worker has the turn, for as long as it is polled.
pub(crate) async fn run(pages: Arc<Pages>) {
    if !pages.sources.config.monitoring.enabled {
        return;
    }
    let turn = watch::Sender::new(false);
    let (has_turn, sends) = (turn.subscribe(), turn.subscribe());
    tokio::join!(hold(&pages, turn), observe(&pages, has_turn), notify::run(&pages, sends));
}

/// Asks for the turn, and renews it.
async fn hold(pages: &Pages, turn: watch::Sender<bool>) {
    let mut ticks = tokio::time::interval(RENEW);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let has = match pages.monitor().await {
            Some(monitor) => monitor.lead(&pages.sources.identity.id, TURN_MS).await.unwrap_or(false),
            None => false,
        };
        if turn.send_if_modified(|had| std::mem::replace(had, has) != has) {
            TurnTaken { has }.emit();
        }
    }
}

/// What is remembered between looks while this worker has the turn.
#[derive(Default)]
struct Memory {
    alerting: alerting::Memory,
    history: history::Memory,
    scaling: scaling::Memory,
}

async fn observe(pages: &Pages, mut turn: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(pages.sources.config.monitoring.health_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut memory = Memory::default();
    loop {
        ticks.tick().await;
        if !*turn.borrow_and_update() {
            memory = Memory::default();
            // Gauges of those who do not look themselves follow the one who does.
            let _ = follow(pages).await;
            // The sender lives as long as this.
            let _ = tokio::time::timeout(ticks.period(), turn.changed()).await;
            continue;
        }
        if let Err(error) = step(pages, &mut memory).await {
            tracing::debug!(%error, "queues could not be looked after; trying again");
        }
    }
}

/// One look at everything, and what follows from it.
async fn step(pages: &Pages, memory: &mut Memory) -> Result<(), QueueError> {
    let Some(monitor) = pages.monitor().await else { return Ok(()) };
    let now_ms = Clock::System.now_ms();
    let looks = look::all(pages, &monitor, now_ms).await?;
    let kept =
        3 * u64::try_from(pages.sources.config.monitoring.health_interval.as_millis()).unwrap_or(30_000);
    monitor.put_looks(&looks, kept.max(120_000)).await?;
    show(pages, &looks);
    let odd = history::write(pages, &monitor, &mut memory.history, &looks, now_ms).await?;
    alerting::evaluate(pages, &monitor, &mut memory.alerting, &looks, &odd, now_ms).await?;
    if pages.sources.config.scaling.enabled {
        scaling::decide(pages, &monitor, &mut memory.scaling, &looks, now_ms).await?;
    }
    show_alerts(pages, &monitor).await
}

async fn follow(pages: &Pages) -> Result<(), QueueError> {
    let Some(monitor) = pages.monitor().await else { return Ok(()) };
    show(pages, &monitor.looks().await?);
    for (queue, row) in monitor.scaling().await? {
        pages.sources.metrics.set_scaling(&queue, &row.decision);
    }
    show_alerts(pages, &monitor).await
}

fn show(pages: &Pages, looks: &BTreeMap<String, Sample>) {
    let metrics = &pages.sources.metrics;
    for (queue, look) in looks {
        metrics.set_look(queue, look);
        // Those that are served here are counted anew for each page; nobody may serve the others.
        if !pages.sources.queues.contains(queue) {
            metrics.set_queue_jobs(&[(queue.clone(), look.depths.by_state().to_vec())]);
        }
    }
}

async fn show_alerts(pages: &Pages, monitor: &Monitor) -> Result<(), QueueError> {
    let alerts = monitor.alerts().await?;
    let rows: Vec<_> = alerts
        .into_values()
        .map(|(alert, _)| (alert.rule, alert.queue.unwrap_or_default(), alert.severity.as_str()))
        .collect();
    pages.sources.metrics.set_alerts(&rows);
    Ok(())
}
