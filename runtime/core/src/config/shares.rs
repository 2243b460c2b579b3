//! `[classes.NAME]`, `worker.slots`, and what a queue says of its share.

use std::collections::BTreeMap;
use std::time::Duration;

use super::environment::{COUNT, DURATION};
use super::reader::{Got, Reader, Section};
use super::{Class, ClassPolicy, Queue, Worker};
use crate::setting::MAX_WEIGHT;

/// The shortest wait that ageing can keep: the oldest jobs are looked at once a second.
const MIN_SLA: Duration = Duration::from_secs(2);

/// A class, and where its bounds are written.
pub(super) struct Written {
    policy: ClassPolicy,
    reserved: Option<Got<u64>>,
    max_share: Option<String>,
}

fn slots(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn weight<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>, default: u32) -> u32 {
    let got = reader.get(section, "weight", &COUNT, &[], u64::from(default));
    if !(1..=u64::from(MAX_WEIGHT)).contains(&got.value) {
        let hint = "a queue that is to stand still is paused".to_owned();
        let message = format!("`{}.weight` must be 1 to {MAX_WEIGHT}", section.path);
        reader.error(got.place, message, Some(hint));
    }
    u32::try_from(got.value).unwrap_or(default).max(1)
}

/// Reads `[classes]`, in the order of [`Class::ALL`].
pub(super) fn classes<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>) -> [Written; Class::ALL.len()] {
    let mut table = reader.section(root, "classes");
    let read = Class::ALL.map(|class| {
        let mut section = reader.section(&mut table, class.as_str());
        let weight = weight(reader, &mut section, class.default_weight());
        let reserved = reader.find(&mut section, "reserved", &COUNT, &[]);
        let share = reader.find(&mut section, "max_share", &COUNT, &[]);
        if let Some(got) = share.as_ref().filter(|got| !(1..=100).contains(&got.value)) {
            let message = format!("`{}.max_share` must be 1 to 100, percent of the slots", section.path);
            reader.error(got.place.clone(), message, None);
        }
        reader.finish(&section);
        let max_share = share.as_ref().map(|got| got.place.clone());
        let policy = ClassPolicy {
            weight,
            reserved: reserved.as_ref().map(|got| slots(got.value)),
            max_share: share.and_then(|got| u32::try_from(got.value.clamp(1, 100)).ok()),
        };
        Written { policy, reserved, max_share }
    });
    reader.finish(&table);
    read
}

/// Weight, reserved slots, where they are written, and the target wait of a queue.
pub(super) fn queue<'a>(
    reader: &mut Reader<'a>,
    section: &mut Section<'a>,
    class: &Written,
    concurrency: usize,
) -> (u32, Got<u64>, Option<Duration>) {
    let weight = weight(reader, section, class.policy.weight);
    let reserved = reader.get(section, "reserved", &COUNT, &[], 0);
    if slots(reserved.value) > concurrency {
        let message = format!("`{}.reserved` is more than `concurrency`, {concurrency}", section.path);
        reader.error(reserved.place.clone(), message, None);
    }
    let sla = reader.find(section, "sla", &DURATION, &[]);
    if let Some(got) = sla.as_ref().filter(|got| got.value < MIN_SLA) {
        let message = format!("`{}.sla` must be at least `2s`", section.path);
        reader.error(got.place.clone(), message, None);
    }
    (weight, reserved, sla.map(|got| got.value))
}

/// Checks the shares against the slots, and notes what holds where nothing is written. `places` says where each queue's
/// `reserved` is.
pub(super) fn finish(
    reader: &mut Reader<'_>,
    worker: &Worker,
    written: [Written; Class::ALL.len()],
    queues: &BTreeMap<String, Queue>,
    places: &BTreeMap<String, String>,
) -> [ClassPolicy; Class::ALL.len()] {
    let policies = written.each_ref().map(|class| class.policy);
    let resolved = super::Shares::of(worker.slots, &policies, queues);
    if worker.slots.is_none() {
        reader.default("worker.slots", &COUNT, resolved.slots as u64);
    }
    let mut kept = 0;
    let mut last = None;
    for (class, Written { policy, reserved, max_share }) in Class::ALL.into_iter().zip(written) {
        let name = class.as_str();
        let bounds = resolved.classes[class.index()];
        let own = || queues.iter().filter(|(_, queue)| queue.class == class);
        let concurrency: usize = own().map(|(_, queue)| queue.concurrency).sum();
        let of_queues: usize = own().map(|(_, queue)| queue.reserved).sum();
        if policy.reserved.is_none() {
            reader.default(&format!("classes.{name}.reserved"), &COUNT, bounds.reserved as u64);
        }
        if policy.max_share.is_none() {
            let share = policy.share_of(class, resolved.contended);
            reader.default(&format!("classes.{name}.max_share"), &COUNT, u64::from(share));
        }
        if let Some(got) = reserved.as_ref().filter(|_| bounds.reserved > concurrency) {
            let message = format!(
                "`classes.{name}.reserved` is {}, more than the `concurrency` of its queues together, {concurrency}",
                got.value
            );
            reader.error(
                got.place.clone(),
                message,
                Some("slots beyond that would never be used".to_owned()),
            );
        }
        let of_queue = own().rfind(|(_, queue)| queue.reserved > 0).and_then(|(name, _)| places.get(name));
        let place = reserved.filter(|got| got.value > 0).map(|got| got.place).or(of_queue.cloned());
        let needed = bounds.reserved.max(of_queues);
        if needed > bounds.max {
            let message =
                format!("class `{name}` may hold {} slots, but {needed} are reserved for it", bounds.max);
            let place = max_share.or(place.clone()).unwrap_or_else(|| "worker.slots".to_owned());
            reader.error(place, message, Some("raise `max_share`, or reserve less".to_owned()));
        }
        kept += needed;
        last = place.or(last);
    }
    let unreserved =
        |class: Class, queue: &Queue| queue.reserved == 0 && resolved.classes[class.index()].reserved == 0;
    let starved = queues.iter().find(|(_, queue)| unreserved(queue.class, queue));
    if let (Some((name, _)), true) = (starved, kept == resolved.slots) {
        let message = format!("all {kept} slots are reserved, and none is left for queue `{name}`");
        let hint = "reserve less, or raise `worker.slots`".to_owned();
        reader.error(last.unwrap_or_else(|| "worker.slots".to_owned()), message, Some(hint));
    } else if kept > resolved.slots {
        let message = format!("{kept} slots are reserved, but the worker has {}", resolved.slots);
        let hint = "reserve less, or raise `worker.slots`".to_owned();
        reader.error(last.unwrap_or_else(|| "worker.slots".to_owned()), message, Some(hint));
    }
    policies
}
