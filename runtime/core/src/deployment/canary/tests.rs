use super::*;

/// Numbers of one seed (`SplitMix64`).
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// How a version behaves.
#[derive(Clone, Copy)]
struct Version {
    fails: f64,
    traps: f64,
    /// µs, and bytes; each attempt takes from half of it to one and a half.
    time: f64,
    memory: f64,
}

const GOOD: Version = Version { fails: 0.01, traps: 0.0, time: 20_000.0, memory: 8e6 };

impl Version {
    fn sample(self, random: &mut Random) -> Sample {
        let trapped = random.unit() < self.traps;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small positive numbers")]
        let about = |mean: f64, part: f64| (mean * (0.5 + part)) as u64;
        Sample {
            failed: trapped || random.unit() < self.fails,
            trapped,
            time: about(self.time, random.unit()),
            fuel: None,
            memory: about(self.memory, random.unit()),
        }
    }
}

/// A canary of a tenth, looked at after every hundred attempts: the counts and the verdict when it is one.
fn trial(seed: u64, stable: Version, canary: Version, looks: u32) -> (Counts, Verdict) {
    let mut random = Random(seed);
    let (mut of_stable, mut of_canary) = (Counts::default(), Counts::default());
    for _ in 0..looks {
        for _ in 0..100 {
            if random.unit() < 0.1 {
                of_canary.record(canary.sample(&mut random));
            } else {
                of_stable.record(stable.sample(&mut random));
            }
        }
        let verdict = judge(&of_stable, &of_canary, 0, None);
        if verdict != Verdict::Wait {
            return (of_canary, verdict);
        }
    }
    (of_canary, Verdict::Wait)
}

#[rstest::rstest]
#[case("failed", Version { fails: 0.2, ..GOOD })]
#[case("trapped", Version { traps: 0.2, ..GOOD })]
#[case("time", Version { time: 40_000.0, ..GOOD })]
#[case("memory", Version { memory: 16e6, ..GOOD })]
fn a_worse_version_is_found_soon(#[case] what: &str, #[case] version: Version) {
    for seed in 0..200 {
        let (counts, verdict) = trial(seed, GOOD, version, 100);
        assert!(matches!(verdict, Verdict::RollBack(_)), "{what}, seed {seed}: {verdict:?} after {counts:?}");
        assert!(counts.attempts <= 200 && counts.failed <= 50, "{what}, seed {seed}: {}", counts.attempts);
    }
}

#[test]
fn the_reason_names_what_is_worse() {
    let (_, verdict) = trial(1, GOOD, Version { time: 60_000.0, ..GOOD }, 100);
    let Verdict::RollBack(reason) = verdict else { panic!("{verdict:?}") };
    assert!(reason.starts_with("P95 of time is"), "{reason}");
}

/// Two hundred looks each, at versions that are alike: at most one of a thousand may be taken back by mistake, for each
/// of the five questions.
#[rstest::rstest]
#[case(GOOD)]
#[case(Version { fails: 0.3, traps: 0.05, ..GOOD })]
#[case(Version { fails: 0.0, time: 100.0, memory: 70_000.0, ..GOOD })]
fn a_version_that_is_no_worse_stays(#[case] version: Version) {
    let wrong = (0..300).filter(|seed| trial(*seed, version, version, 200).1 != Verdict::Wait).count();
    assert!(wrong <= 1, "{wrong} of 300");
}

#[test]
fn a_better_version_stays() {
    let better = Version { fails: 0.0, time: 5_000.0, memory: 1e6, ..GOOD };
    for seed in 0..50 {
        assert_eq!(trial(seed, GOOD, better, 100).1, Verdict::Wait);
    }
}

#[test]
fn nothing_is_said_of_little() {
    let mut bad = Counts::default();
    let failure = Sample { failed: true, trapped: true, time: 1, fuel: None, memory: 1 };
    let success = Sample { failed: false, trapped: false, ..failure };
    (0..4).for_each(|_| bad.record(failure));
    let mut good = Counts::default();
    (0..1_000).for_each(|_| good.record(success));
    assert_eq!(judge(&good, &bad, 0, None), Verdict::Wait, "four bad attempts are too few");
    bad.record(failure);
    assert!(matches!(judge(&good, &bad, 0, None), Verdict::RollBack(_)));
    assert_eq!(judge(&Counts::default(), &bad, 0, None), Verdict::Wait, "there is nothing to compare with");
}

#[rstest::rstest]
#[case(50, 59_999, Some(60_000), Verdict::Wait)]
#[case(50, 60_000, Some(60_000), Verdict::Promote)]
#[case(49, 60_000, Some(60_000), Verdict::Wait)]
#[case(50, 60_000, None, Verdict::Wait)]
fn promotion(
    #[case] attempts: u64,
    #[case] elapsed_ms: u64,
    #[case] after_ms: Option<u64>,
    #[case] expected: Verdict,
) {
    let counts = Counts { attempts, ..Counts::default() };
    assert_eq!(judge(&Counts::default(), &counts, elapsed_ms, after_ms), expected);
}
