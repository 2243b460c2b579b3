//! Counts what a guest takes and refuses what is over its limit.

use wasmtime::ResourceLimiter;

use crate::pool;

/// Bytes that a table element takes in the host.
const TABLE_ELEMENT: u64 = 8;

/// All memories and tables of one instance together, against one limit.
#[derive(Debug)]
pub(crate) struct MemoryGauge {
    limit: u64,
    soft: u64,
    warned: bool,
    used: u64,
    peak: u64,
    denied: bool,
    /// What the last approved growth added; taken back when the growth then fails.
    last: u64,
}

impl MemoryGauge {
    pub(crate) fn new(limit: u64, soft: u64) -> Self {
        Self { limit, soft, warned: false, used: 0, peak: 0, denied: false, last: 0 }
    }

    /// True the first time that it is asked after the soft limit was passed.
    pub(crate) fn passed_soft(&mut self) -> bool {
        self.peak > self.soft && !std::mem::replace(&mut self.warned, true)
    }

    /// Starts counting for the next attempt of the same instance, which keeps what it has.
    pub(crate) fn begin(&mut self) {
        (self.peak, self.warned, self.denied) = (self.used, false, false);
    }

    /// Whether more is in use than the soft limit.
    pub(crate) fn is_past_soft(&self) -> bool {
        self.used > self.soft
    }

    /// Most bytes in use at one time.
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }

    /// Whether a growth was refused for being over the limit.
    pub(crate) fn denied(&self) -> bool {
        self.denied
    }

    fn grow(&mut self, current: u64, desired: u64) -> bool {
        let added = desired.saturating_sub(current);
        let next = self.used.saturating_add(added);
        if next > self.limit {
            self.denied = true;
            return false;
        }
        self.used = next;
        self.peak = self.peak.max(next);
        self.last = added;
        true
    }

    fn give_back(&mut self) {
        self.denied = true;
        self.used = self.used.saturating_sub(std::mem::take(&mut self.last));
    }
}

impl ResourceLimiter for MemoryGauge {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Past its own declared maximum the guest only meets what it asked for: not a refusal of ours.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(current as u64, desired as u64))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let bytes = |elements: usize| (elements as u64).saturating_mul(TABLE_ELEMENT);
        Ok(self.grow(bytes(current), bytes(desired)))
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        pool::MAX_CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        pool::MAX_TABLES as usize
    }

    fn memories(&self) -> usize {
        pool::MAX_MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut gauge = MemoryGauge::new(100, 75);
        assert!(gauge.memory_growing(0, 40, None).unwrap());
        assert!(gauge.table_growing(0, 5, None).unwrap());
        assert!(!gauge.memory_growing(40, 61, None).unwrap());
        assert!(gauge.denied());
        assert!(gauge.memory_growing(40, 60, None).unwrap());
        assert_eq!(gauge.peak(), 100);
    }

    #[test]
    fn a_guests_own_maximum_is_not_our_refusal() {
        let mut gauge = MemoryGauge::new(100, 75);
        assert!(!gauge.memory_growing(0, 50, Some(40)).unwrap());
        assert!(!gauge.denied());
    }

    #[test]
    fn a_failed_growth_is_taken_back() {
        let mut gauge = MemoryGauge::new(100, 75);
        assert!(gauge.memory_growing(0, 90, None).unwrap());
        gauge.memory_grow_failed(wasmtime::Error::msg("no slot that large")).unwrap();
        assert!(gauge.denied());
        assert!(gauge.memory_growing(0, 90, None).unwrap());
    }
}
