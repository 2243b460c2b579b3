//! An entry's file: the code, and after it a MAC over its name and the code.
//!
//! Code and MAC in one file are replaced together. What loads the code finds its parts by the tables of the object file
//! and passes over the 32 bytes at the end.

use std::io::{self, Read};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::key::Key;

/// Bytes of the MAC.
const MAC: usize = 32;
/// Keeps these MACs apart from others that might be made with the key.
const PURPOSE: &[u8] = b"gristmill compiled handler v1\n";
/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;

/// What is written after the code.
pub(super) fn seal(key: &Key, name: &str, code: &[u8]) -> [u8; MAC] {
    let mut mac = begin(key, name);
    mac.update(code);
    mac.finalize().into_bytes().into()
}

/// Whether an entry of `length` bytes is what was written under this name, whole.
pub(super) fn holds(key: &Key, name: &str, length: u64, mut entry: impl Read) -> io::Result<bool> {
    let Some(code) = length.checked_sub(MAC as u64) else { return Ok(false) };
    let mut mac = begin(key, name);
    let mut rest = entry.by_ref().take(code);
    let mut chunk = vec![0; CHUNK];
    loop {
        match rest.read(&mut chunk)? {
            0 => break,
            read => mac.update(&chunk[..read]),
        }
    }
    let mut found = [0; MAC];
    match entry.read_exact(&mut found) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        read => read?,
    }
    Ok(mac.verify_slice(&found).is_ok())
}

fn begin(key: &Key, name: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("an HMAC takes a key of any length");
    mac.update(PURPOSE);
    mac.update(name.as_bytes());
    // A name has no line end, so no name and code read as another name and code.
    mac.update(b"\n");
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_key_name_code_and_mac() {
        let key = Key([1; 32]);
        let sealed = |code: &[u8]| [code, &seal(&key, "a", code)].concat();
        let holds =
            |key: &Key, name: &str, entry: &[u8]| holds(key, name, entry.len() as u64, entry).unwrap();
        let long = vec![9; 3 * CHUNK + 5];
        for code in [&b""[..], b"code", &long] {
            let entry = sealed(code);
            assert!(holds(&key, "a", &entry));
            assert!(!holds(&key, "b", &entry), "another name");
            assert!(!holds(&Key([2; 32]), "a", &entry), "another key");
            for at in [0, entry.len() / 2, entry.len() - 1] {
                let mut changed = entry.clone();
                changed[at] ^= 1;
                assert!(!holds(&key, "a", &changed), "byte {at} was changed");
                assert!(!holds(&key, "a", &entry[..at]), "cut at {at}");
            }
            assert!(!holds(&key, "a", &[&entry[..], b"more"].concat()));
        }
    }
}
