//! What the worker does about its own memory.

/// Bounds on the resident memory of the process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBounds {
    /// Above it a job starts only if its limit fits below `hard`.
    pub soft: u64,
    /// Above it the worker drains and starts anew; jobs together never reserve more.
    pub hard: u64,
}

/// The share of a cgroup's limit that the process may use: beyond it the kernel takes caches away, then the process.
const OF_CGROUP: f64 = 0.9;

impl MemoryBounds {
    /// These bounds within what the process's cgroup allows, if it allows less: the soft one in proportion.
    #[must_use]
    pub fn within(self, cgroup: Option<u64>) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the limit itself")]
        let most = cgroup.map_or(u64::MAX, |limit| (limit as f64 * OF_CGROUP) as u64);
        if self.hard <= most {
            return self;
        }
        let share = most as f64 / self.hard as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below `most`")]
        let soft = (self.soft as f64 * share) as u64;
        Self { soft, hard: most }
    }
}

/// How much of its memory the worker uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Below the soft limit.
    None,
    /// Above it.
    Soft,
    /// Above the hard limit.
    Hard,
}

/// Below this share of the soft limit the pressure is over, so that it does not flap at the limit.
const RELIEF: f64 = 0.95;

/// The pressure at `resident` bytes, given what it was before.
#[must_use]
pub fn pressure(resident: u64, bounds: MemoryBounds, before: Pressure) -> Pressure {
    if resident > bounds.hard {
        return Pressure::Hard;
    }
    let relieved = (resident as f64) < bounds.soft as f64 * RELIEF;
    if resident > bounds.soft || (before != Pressure::None && !relieved) {
        return Pressure::Soft;
    }
    Pressure::None
}

/// Whether a job that may use `limit` bytes may start now.
#[must_use]
pub fn may_start(limit: u64, resident: u64, bounds: MemoryBounds, pressure: Pressure) -> bool {
    match pressure {
        Pressure::None => true,
        Pressure::Soft => resident.saturating_add(limit) <= bounds.hard,
        Pressure::Hard => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: MemoryBounds = MemoryBounds { soft: 100, hard: 200 };

    #[rstest::rstest]
    #[case(100, Pressure::None, Pressure::None)]
    #[case(101, Pressure::None, Pressure::Soft)]
    #[case(96, Pressure::Soft, Pressure::Soft)]
    #[case(94, Pressure::Soft, Pressure::None)]
    #[case(200, Pressure::Soft, Pressure::Soft)]
    #[case(201, Pressure::None, Pressure::Hard)]
    #[case(150, Pressure::Hard, Pressure::Soft)]
    fn levels(#[case] resident: u64, #[case] before: Pressure, #[case] now: Pressure) {
        assert_eq!(pressure(resident, BOUNDS, before), now);
    }

    #[rstest::rstest]
    #[case(None, 100, 200)]
    #[case(Some(1_000), 100, 200)]
    #[case(Some(100), 45, 90)]
    fn a_cgroup_bounds_them(#[case] cgroup: Option<u64>, #[case] soft: u64, #[case] hard: u64) {
        assert_eq!(BOUNDS.within(cgroup), MemoryBounds { soft, hard });
    }

    #[rstest::rstest]
    #[case(1_000, 10, Pressure::None, true)]
    #[case(50, 150, Pressure::Soft, true)]
    #[case(51, 150, Pressure::Soft, false)]
    #[case(1, 201, Pressure::Hard, false)]
    fn admission(#[case] limit: u64, #[case] resident: u64, #[case] pressure: Pressure, #[case] may: bool) {
        assert_eq!(may_start(limit, resident, BOUNDS, pressure), may);
    }
}
