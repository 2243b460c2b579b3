//! Secrets that an attempt has been given, and taking them out of what it says.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Shorter texts appear by chance; taking them out would only garble the log.
const MIN_BYTES: usize = 4;
/// What stands in their place.
const MASK: &str = "***";

/// Texts that must not be shown. Written when the guest asks for a secret, read by every log line.
#[derive(Default)]
pub(crate) struct Redactions {
    any: AtomicBool,
    texts: Mutex<Vec<String>>,
}

impl Redactions {
    /// Adds a secret, whole and line by line: a log shows the lines of a key one by one.
    pub(crate) fn add(&self, secret: &str) {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        for text in std::iter::once(secret).chain(secret.lines().map(str::trim)) {
            if text.len() >= MIN_BYTES && !texts.iter().any(|known| known == text) {
                texts.push(text.to_owned());
            }
        }
        // The longest first, so that no rest of it stays.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        self.any.store(!texts.is_empty(), Ordering::Release);
    }

    /// The text with every secret masked.
    pub(crate) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.any.load(Ordering::Acquire) {
            return text.into();
        }
        let texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let found = texts.iter().filter(|secret| text.contains(secret.as_str()));
        let masked = found.fold(None, |masked: Option<String>, secret| {
            Some(masked.as_deref().unwrap_or(text).replace(secret.as_str(), MASK))
        });
        masked.map_or(Cow::Borrowed(text), Cow::Owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("s3cr3t", "Bearer s3cr3t!", "Bearer ***!")]
    #[case("s3cr3t", "nothing here", "nothing here")]
    #[case("abc", "abc is too short to be one", "abc is too short to be one")]
    #[case("BEGIN\nline-one\nEND", "then line-one came", "then *** came")]
    fn masks(#[case] secret: &str, #[case] text: &str, #[case] shown: &str) {
        let redactions = Redactions::default();
        redactions.add(secret);
        assert_eq!(redactions.apply(text), shown);
    }

    #[test]
    fn the_longest_goes_first() {
        let redactions = Redactions::default();
        redactions.add("key-1");
        redactions.add("key-1-long");
        assert_eq!(redactions.apply("key-1-long key-1"), "*** ***");
    }
}
