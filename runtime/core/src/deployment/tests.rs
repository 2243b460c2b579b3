use super::*;

fn digest(n: u8) -> String {
    format!("sha256:{n:064x}")
}

fn canary(n: u8) -> Change {
    Change::Try(Canary { digest: digest(n), percent: 10, since_ms: 5, promote_after_ms: None })
}

fn deploy(n: u8) -> Change {
    Change::Deploy { digest: digest(n) }
}

/// Applies changes one after another; the deployment, and the words of the history.
fn after(changes: &[Change]) -> Result<(Deployment, Vec<&'static str>), Refusal> {
    let mut now = None;
    let mut words = Vec::new();
    for change in changes {
        let (next, word, _) = Deployment::change(now.as_ref(), change)?;
        now = Some(next);
        words.push(word);
    }
    Ok((now.unwrap(), words))
}

#[test]
fn a_canary_is_promoted_or_taken_back() {
    let (now, _) = after(&[deploy(1), canary(2)]).unwrap();
    assert_eq!((now.stable.as_str(), now.revision), (digest(1).as_str(), 2));
    assert_eq!(now.canary.as_ref().map(|c| c.percent), Some(10));

    let (promoted, _) = after(&[deploy(1), canary(2), Change::Promote]).unwrap();
    assert_eq!((promoted.stable, promoted.previous, promoted.canary), (digest(2), vec![digest(1)], None));

    let back = Change::RollBack { to: None };
    let (back, words) = after(&[deploy(1), canary(2), back]).unwrap();
    assert_eq!((back.stable, back.canary, back.revision), (digest(1), None, 3));
    assert_eq!(words, ["deploy", "canary", "rollback"]);
}

#[test]
fn going_back_step_by_step_and_by_name() {
    let back = || Change::RollBack { to: None };
    let (now, _) = after(&[deploy(1), deploy(2), deploy(3), back()]).unwrap();
    assert_eq!((now.stable, now.previous), (digest(2), vec![digest(1)]));
    let (now, _) = after(&[deploy(1), deploy(2), deploy(3), back(), back()]).unwrap();
    assert_eq!((now.stable, now.previous), (digest(1), vec![]));
    let named = Change::RollBack { to: Some(digest(1)) };
    let (now, _) = after(&[deploy(1), deploy(2), deploy(3), named]).unwrap();
    assert_eq!((now.stable, now.previous), (digest(1), vec![digest(3), digest(2)]));
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |changes: &[Change]| after(changes).unwrap_err();
    assert_eq!(refused(&[canary(1)]), Refusal::Nothing);
    assert_eq!(refused(&[deploy(1), Change::Promote]), Refusal::NoCanary);
    assert_eq!(refused(&[deploy(1), Change::RollBack { to: None }]), Refusal::NoPrevious);
    assert_eq!(refused(&[deploy(1), deploy(1)]), Refusal::Already(digest(1)));
    assert_eq!(refused(&[deploy(1), canary(1)]), Refusal::Already(digest(1)));
    assert_eq!(refused(&[deploy(1), canary(2), canary(3)]), Refusal::OnTrial(digest(2)));
    assert!(after(&[deploy(1), canary(2), canary(2)]).is_ok(), "its part may be changed");
    assert!(after(&[deploy(1), canary(2), deploy(1)]).is_ok(), "which ends the trial");
}

#[test]
fn no_more_than_a_few_versions_are_kept() {
    let changes: Vec<_> = (1..=30).map(deploy).collect();
    let (now, _) = after(&changes).unwrap();
    assert_eq!(now.previous.len(), MAX_PREVIOUS);
    assert_eq!(now.digests().count(), MAX_PREVIOUS + 1);
}

#[rstest::rstest]
#[case("sha256:", false)]
#[case("sha256:000000000000000000000000000000000000000000000000000000000000000a", true)]
#[case("sha256:000000000000000000000000000000000000000000000000000000000000000A", false)]
#[case("sha512:000000000000000000000000000000000000000000000000000000000000000a", false)]
fn digests(#[case] text: &str, #[case] fits: bool) {
    assert_eq!(is_digest(text), fits);
}

#[rstest::rstest]
#[case("email", true)]
#[case("send_e-mail.v2", true)]
#[case("email.wasm", false)]
#[case("a/b", false)]
#[case("", false)]
fn names(#[case] name: &str, #[case] fits: bool) {
    assert_eq!(is_handler_name(name), fits);
}
