//! Sends the messages about alerts. A message stays in Redis until its target has taken it, so it is lost with no worker; it is
//! dropped right after, so it goes out twice only where a worker ends between the two, and then with the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use gristmill_core::clock::Clock;
use gristmill_core::config::AlertTarget;
use gristmill_queue::{Message, Monitor, QueueError};
use gristmill_telemetry::event::Notified;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::TURN_MS;
use super::send::{self, Outgoing};
use crate::server::Pages;

/// How long a target may take; less than a turn lasts without renewal.
const SEND_TIME: Duration = Duration::from_secs(8);
/// How often messages are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// Times that a message is sent in vain before it is given up: some 14 hours.
const MAX_TRIES: u32 = 30;
/// Pauses between them, ms: each twice the one before, from a second to half an hour.
const FIRST_PAUSE_MS: u64 = 1_000;
const LAST_PAUSE_MS: u64 = 30 * 60_000;
/// Messages to one target that are sent one after another before the others have their turn.
const PART: usize = 20;

/// A client for messages: bounded in time, follows no redirect.
pub(super) fn client() -> Option<reqwest::Client> {
    reqwest::Client::builder()
        .timeout(SEND_TIME)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("gristmill/", env!("CARGO_PKG_VERSION")))
        .build()
        .inspect_err(|error| tracing::error!(%error, "no messages can be sent about alerts and scaling"))
        .ok()
}

/// Sends while this worker has the turn, for as long as it is polled: to each target one message after another, to all targets
/// at the same time, so that one that hangs delays no other.
pub(super) async fn run(pages: &Pages, turn: watch::Receiver<bool>) {
    let targets: BTreeMap<&str, &AlertTarget> =
        pages.sources.config.alerts.targets.iter().map(|target| (target.name.as_str(), target)).collect();
    let Some(client) = client() else { return };
    let (mut sends, mut busy) = (FuturesUnordered::new(), BTreeSet::new());
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(name) = sends.next() => {
                busy.remove::<String>(&name);
                continue;
            }
            _ = ticks.tick() => {}
        }
        let Some(monitor) = pages.monitor().await.filter(|_| *turn.borrow()) else { continue };
        let waiting = monitor.messages().await.unwrap_or_else(|error| {
            tracing::debug!(%error, "messages about alerts wait for Redis");
            Vec::new()
        });
        let mut by_target: BTreeMap<String, Vec<Message>> = BTreeMap::new();
        for message in waiting.into_iter().filter(|message| !busy.contains(&message.target)) {
            by_target.entry(message.target.clone()).or_default().push(message);
        }
        let now_ms = Clock::System.now_ms();
        for (name, messages) in by_target {
            let mut messages = due(messages, now_ms);
            messages.truncate(PART);
            if messages.is_empty() {
                continue;
            }
            busy.insert(name.clone());
            let target = targets.get(name.as_str()).copied();
            let (client, monitor) = (&client, monitor.clone());
            sends.push(async move {
                if let Err(error) = send_all(pages, client, &monitor, target, messages).await {
                    tracing::debug!(%error, "messages about alerts wait for Redis");
                }
                name
            });
        }
    }
}

/// Those of one target that may be sent now, in the order of what they tell. What is told of an alert waits for what was to be
/// told of it before: nobody hears of an end, and then of the beginning.
fn due(mut messages: Vec<Message>, now_ms: u64) -> Vec<Message> {
    messages.sort_by_key(|message| message.alert.updated_ms);
    let mut waiting = BTreeSet::new();
    messages.retain(|message| {
        if message.not_before_ms > now_ms {
            waiting.insert(message.alert.id.clone());
        }
        !waiting.contains(&message.alert.id)
    });
    messages
}

async fn send_all(
    pages: &Pages,
    client: &reqwest::Client,
    monitor: &Monitor,
    target: Option<&AlertTarget>,
    messages: Vec<Message>,
) -> Result<(), QueueError> {
    for mut message in messages {
        // Whoever lost the turn while it stood still must not send what the next one sends.
        if !monitor.lead(&pages.sources.identity.id, TURN_MS).await? {
            return Ok(());
        }
        let metrics = &pages.sources.metrics;
        let sent = match target {
            // Another worker may have it: a rollout, or a configuration that is not the same everywhere.
            None => Err("this worker's configuration has no such target".to_owned()),
            Some(target) => match outgoing(target, &message) {
                Ok(out) => post(client, out).await,
                Err(why) => Err(why),
            },
        };
        let (name, about) = (message.target.clone(), message.alert.id.clone());
        let notified = |result| Notified { target: &name, about: &about, result }.emit(metrics);
        match sent {
            Ok(()) => {
                monitor.drop_message(&message.id).await?;
                notified(Ok(()));
            }
            Err(why) if message.tries + 1 < MAX_TRIES => {
                message.tries += 1;
                message.not_before_ms = Clock::System.now_ms() + pause_ms(message.tries);
                monitor.put_off_message(&message).await?;
                notified(Err((&why, true)));
                // What hangs or is away now will be so for the next message too.
                return Ok(());
            }
            Err(why) => {
                monitor.drop_message(&message.id).await?;
                notified(Err((&why, false)));
            }
        }
    }
    Ok(())
}

fn outgoing(target: &AlertTarget, message: &Message) -> Result<Outgoing, String> {
    let secret = target.secret.as_ref().map(send::read_secret).transpose()?;
    Ok(send::message(target, message, secret.as_deref(), Clock::System.now_ms()))
}

/// Posts a message; the error says why it was not taken. Whatever the answer is, it may be another later: a key that was
/// changed on one side, an address that is not there while its server is replaced.
pub(super) async fn post(client: &reqwest::Client, out: Outgoing) -> Result<(), String> {
    let mut request = client.post(&out.url).header("content-type", "application/json").body(out.body);
    for (name, value) in out.headers {
        request = request.header(name, value);
    }
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("it answered {}", answer.status().as_u16())),
        // The address is left out, as those of Slack are secrets.
        Err(error) => Err(if error.is_timeout() {
            "no answer in time".to_owned()
        } else {
            let why =
                std::error::Error::source(&error).map_or_else(|| "no connection".into(), ToString::to_string);
            why.chars().take(200).collect()
        }),
    }
}

fn pause_ms(tries: u32) -> u64 {
    FIRST_PAUSE_MS.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(LAST_PAUSE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_an_hour() {
        let pauses: Vec<_> = [1, 2, 3, 11, 12, 30].into_iter().map(pause_ms).collect();
        assert_eq!(pauses, [1_000, 2_000, 4_000, 1_024_000, LAST_PAUSE_MS, LAST_PAUSE_MS]);
    }
}
