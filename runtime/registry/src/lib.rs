//! Where modules come from besides files, and which of them are trusted: signatures, the policy of a worker, and registries
//! of components.
//!
//! The modules and deployments that all workers share are in Redis; the crate `queue` keeps them.

mod oci;
mod policy;
mod signature;

pub use oci::{OciError, OciReference, Pulled};
pub use policy::{Policy, PolicyError, PolicyRefusal};
pub use signature::{
    KeyError, PublicKey, Signature, SignatureError, SigningKey, read_signatures, sig_of, signatures_beside,
};
