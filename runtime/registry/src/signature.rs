//! Ed25519 signatures over a module's digest.
//!
//! Keys are PEM files as `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write them. What is signed is the
//! digest and not the file: it names the file, and a signature can be made where the file is not.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
};
use ed25519_dalek::{Signer, VerifyingKey};
use gristmill_core::deployment::digest_of;

/// Keeps these signatures apart from others that might be made with the key.
const PURPOSE: &str = "gristmill handler v1";
const ALGORITHM: &str = "ed25519:";
/// Hexadecimal digits of a key's name.
const NAME: usize = 16;
/// Bytes of a key's file.
const MAX_KEY: u64 = 16 << 10;
/// Signatures of one module.
const MAX_SIGNATURES: usize = 16;
/// Bytes of a file of signatures.
const MAX_FILE: u64 = 16 << 10;
/// Bytes of one line.
const MAX_LINE: usize = 256;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its file.
    #[error("key `{path}` cannot be read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its content.
    #[error("`{path}` is not {what} in PEM: {detail}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// What the reader saw.
        detail: String,
    },
}

/// Why a text is no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A line of another form.
    #[error("`{0}` is not a signature: `ed25519:KEY BASE64`")]
    Form(String),
    /// The file of signatures.
    #[error("cannot read {0}")]
    File(String),
    /// What is in the file of signatures.
    #[error("`{0}`: {1}")]
    In(String, Box<SignatureError>),
    /// Too many lines.
    #[error("more than {MAX_SIGNATURES} signatures")]
    Many,
}

/// A key that signs. Its secret is never shown.
pub struct SigningKey(ed25519_dalek::SigningKey);

/// A key that tells whose a signature is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// A signature, and the name of the key that made it. As text: `ed25519:` and 16 hexadecimal digits, a space, base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    key: String,
    bytes: [u8; 64],
}

fn read(path: &Path) -> Result<String, KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(io)?.len() > MAX_KEY {
        return Err(io(std::io::Error::other("it is too large for a key")));
    }
    std::fs::read_to_string(path).map_err(io)
}

fn message(digest: &str) -> Vec<u8> {
    format!("{PURPOSE}\n{digest}\n").into_bytes()
}

impl SigningKey {
    /// A new key from 32 random bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(secret))
    }

    /// From a PEM file (PKCS#8).
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let what = "a private ed25519 key";
        let form = |detail: String| KeyError::Form { path: path.to_owned(), what, detail };
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(&read(path)?);
        key.map(Self).map_err(|error| form(error.to_string()))
    }

    /// As PEM (PKCS#8); for a file that only its owner may read.
    #[must_use]
    pub fn to_pem(&self) -> String {
        // Without the public key: OpenSSL does not read the form that has both.
        let bytes = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        let pem = bytes.to_pkcs8_pem(ed25519_dalek::pkcs8::spki::der::pem::LineEnding::LF);
        pem.map(|pem| pem.as_str().to_owned()).unwrap_or_default()
    }

    /// What verifies its signatures.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs a module's digest.
    #[must_use]
    pub fn sign(&self, digest: &str) -> Signature {
        Signature { key: self.public().name(), bytes: self.0.sign(&message(digest)).to_bytes() }
    }
}

impl PublicKey {
    /// From a PEM file (SPKI).
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let what = "a public ed25519 key";
        let form = |detail: String| KeyError::Form { path: path.to_owned(), what, detail };
        let key = VerifyingKey::from_public_key_pem(&read(path)?).map_err(|error| form(error.to_string()))?;
        if key.is_weak() {
            return Err(form("the key is a weak one, whose signatures anybody can make".to_owned()));
        }
        Ok(Self(key))
    }

    /// As PEM (SPKI).
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0.to_public_key_pem(ed25519_dalek::pkcs8::spki::der::pem::LineEnding::LF).unwrap_or_default()
    }

    /// `ed25519:` and the first 16 hexadecimal digits of the SHA-256 of its 32 bytes.
    #[must_use]
    pub fn name(&self) -> String {
        let digest = digest_of(self.0.as_bytes());
        let hex = digest.strip_prefix("sha256:").unwrap_or(&digest);
        format!("{ALGORITHM}{}", &hex[..NAME])
    }

    /// Whether it made the signature for this digest.
    #[must_use]
    pub fn made(&self, signature: &Signature, digest: &str) -> bool {
        let bytes = ed25519_dalek::Signature::from_bytes(&signature.bytes);
        signature.key == self.name() && self.0.verify_strict(&message(digest), &bytes).is_ok()
    }
}

impl Signature {
    /// The name of the key that made it, as it says itself.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, STANDARD.encode(self.bytes))
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let form = || SignatureError::Form(text.chars().take(80).collect());
        let (key, bytes) = text.split_once(' ').filter(|_| text.len() <= MAX_LINE).ok_or_else(form)?;
        let hex = key.strip_prefix(ALGORITHM).ok_or_else(form)?;
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if hex.len() != NAME || !hex.bytes().all(is_hex) {
            return Err(form());
        }
        let bytes = STANDARD.decode(bytes.trim()).ok().and_then(|bytes| bytes.try_into().ok());
        Ok(Self { key: key.to_owned(), bytes: bytes.ok_or_else(form)? })
    }
}

/// The signatures in the file beside a handler's, `FILE.sig`; none where there is no such file.
pub fn signatures_beside(file: &Path) -> Result<Vec<Signature>, SignatureError> {
    let path = sig_of(file);
    let inside = |error| SignatureError::In(path.display().to_string(), Box::new(error));
    let unread = |error: std::io::Error| SignatureError::File(format!("`{}`: {error}", path.display()));
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Ok(meta) if meta.len() > MAX_FILE => return Err(inside(SignatureError::Many)),
        found => found.map_err(unread)?,
    };
    read_signatures(&std::fs::read_to_string(&path).map_err(unread)?).map_err(inside)
}

/// Where the signatures of a handler's file are.
#[must_use]
pub fn sig_of(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

/// The signatures of a `.sig` file: one a line; empty lines, and those that begin with `#`, are passed over.
pub fn read_signatures(text: &str) -> Result<Vec<Signature>, SignatureError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let signatures: Vec<Signature> =
        lines.take(MAX_SIGNATURES + 1).map(str::parse).collect::<Result<_, _>>()?;
    if signatures.len() > MAX_SIGNATURES {
        return Err(SignatureError::Many);
    }
    Ok(signatures)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:000000000000000000000000000000000000000000000000000000000000000a";

    #[test]
    fn a_signature_is_of_one_key_and_one_digest() {
        let (key, other) = (SigningKey::new(&[1; 32]), SigningKey::new(&[2; 32]));
        let signature = key.sign(DIGEST);
        assert!(key.public().made(&signature, DIGEST));
        assert!(!key.public().made(&signature, &DIGEST.replace('a', "b")));
        assert!(!other.public().made(&signature, DIGEST));
        let claimed = Signature { key: other.public().name(), ..signature.clone() };
        assert!(!other.public().made(&claimed, DIGEST), "a name is no proof");
        let mut changed = signature;
        changed.bytes[9] ^= 1;
        assert!(!key.public().made(&changed, DIGEST));
    }

    #[test]
    fn texts_come_back() {
        let signature = SigningKey::new(&[1; 32]).sign(DIGEST);
        assert_eq!(signature.to_string().parse(), Ok(signature.clone()));
        let file = format!("# by the build\n\n{signature}\n{signature}\n");
        assert_eq!(read_signatures(&file), Ok(vec![signature.clone(), signature.clone()]));
        assert_eq!(read_signatures(&format!("{signature}\n").repeat(17)), Err(SignatureError::Many));
        for wrong in [
            "",
            "ed25519:0123",
            "rsa:0123456789abcdef AAAA",
            "ed25519:0123456789abcdef !!",
            "ed25519:0123456789abcdef AAAA",
        ] {
            assert!(wrong.parse::<Signature>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_are_files_of_openssl() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        // `openssl genpkey -algorithm ed25519`, `openssl pkey -pubout`.
        let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n-----END PRIVATE KEY-----\n";
        let key = SigningKey::read(&file("key.pem", private)).unwrap();
        assert_eq!(key.public(), SigningKey::new(&[1; 32]).public());
        assert_eq!(key.to_pem(), private, "in the form that OpenSSL reads");
        let public = PublicKey::read(&file("key.pub", &key.public().to_pem())).unwrap();
        assert!(public.made(&key.sign(DIGEST), DIGEST));
        let written = SigningKey::read(&file("again.pem", &key.to_pem())).unwrap();
        assert_eq!(written.public(), public);
        let error = PublicKey::read(&file("wrong.pub", private)).unwrap_err().to_string();
        assert!(error.contains("wrong.pub") && error.contains("is not a public ed25519 key"), "{error}");
        assert!(matches!(PublicKey::read(&folder.path().join("none")), Err(KeyError::Io { .. })));
    }
}
