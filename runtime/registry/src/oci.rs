//! Components in OCI registries, as WebAssembly is published today: a manifest whose config is of the type
//! `application/vnd.wasm.config.v0+json`, with one layer of the type `application/wasm`.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::TryStreamExt;
use gristmill_core::deployment::{MAX_MODULE_BYTES, digest_of};
use gristmill_core::units::show_size;
use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciImageManifest;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde_json::json;

const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";
/// The annotation of the manifest that carries signatures, with commas between them: registries refuse line ends.
const SIGNATURES: &str = "dev.gristmill.signatures";
const SCHEME: &str = "oci://";
const CONNECT: Duration = Duration::from_secs(10);
/// Between two parts of an answer.
const READ: Duration = Duration::from_secs(30);

/// Why a component was not pulled or published.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// The text is no reference.
    #[error(
        "`{text}` is no reference to a component: `oci://HOST/NAME:TAG`, or `…/NAME@sha256:DIGEST`{detail}"
    )]
    Reference {
        /// What was given.
        text: String,
        /// What the reader saw.
        detail: String,
    },
    /// The manifest is not that of a component.
    #[error("`{reference}` is not a WebAssembly component: {what}")]
    NotComponent {
        /// Which.
        reference: String,
        /// What it is instead.
        what: String,
    },
    /// It is larger than handlers may be.
    #[error("`{reference}` has {}, more than the {} that are accepted", show_size(*size), show_size(MAX_MODULE_BYTES))]
    TooLarge {
        /// Which.
        reference: String,
        /// Bytes.
        size: u64,
    },
    /// What came is not what the manifest names.
    #[error("`{reference}`: its bytes are not those that its manifest names")]
    Digest {
        /// Which.
        reference: String,
    },
    /// The registry, or the way to it.
    #[error("`{reference}`: {source}")]
    Registry {
        /// Which.
        reference: String,
        /// What the client saw.
        source: Box<OciDistributionError>,
    },
}

/// A component that was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The component.
    pub wasm: Vec<u8>,
    /// Signatures that were published with it, one line each.
    pub signatures: Vec<String>,
}

/// A place in an OCI registry.
#[derive(Debug, Clone)]
pub struct OciReference(Reference);

impl OciReference {
    /// Reads `oci://HOST[:PORT]/NAME[:TAG|@sha256:DIGEST]`.
    pub fn parse(text: &str) -> Result<Self, OciError> {
        let fail = |detail: String| OciError::Reference { text: text.chars().take(300).collect(), detail };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| fail(String::new()))?;
        // Without one, the reader would take Docker Hub.
        let host = rest.split_once('/').map(|(host, _)| host).unwrap_or_default();
        if !(host.contains('.') || host.contains(':') || host == "localhost") {
            return Err(fail("; it names no host".to_owned()));
        }
        rest.parse().map(Self).map_err(|error| fail(format!("; {error}")))
    }

    /// Whether a text is meant as one.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// The last part of its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.repository().rsplit('/').next().unwrap_or_default()
    }

    /// Its tag, where it has one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.0.tag()
    }

    fn client(&self) -> Result<Client, OciError> {
        let host = self.0.resolve_registry();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        // Plain HTTP never leaves the machine.
        let local = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
        let config = ClientConfig {
            protocol: if local { ClientProtocol::Http } else { ClientProtocol::Https },
            connect_timeout: Some(CONNECT),
            read_timeout: Some(READ),
            // An index of images for several machines is no component.
            platform_resolver: None,
            ..ClientConfig::default()
        };
        Client::try_from(config).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: OciDistributionError) -> OciError {
        OciError::Registry { reference: self.to_string(), source: Box::new(source) }
    }

    /// Pulls a component; `login` is a user and a password.
    pub async fn pull(&self, login: Option<(String, String)>) -> Result<Pulled, OciError> {
        let reference = || self.to_string();
        let (client, auth) = (self.client()?, auth(login));
        let (manifest, _) = client.pull_image_manifest(&self.0, &auth).await.map_err(|e| self.failed(e))?;
        let [layer] = &manifest.layers[..] else {
            let what = format!("it has {} layers instead of one", manifest.layers.len());
            return Err(OciError::NotComponent { reference: reference(), what });
        };
        if layer.media_type != LAYER {
            let what = format!("its layer is of the type `{}` instead of `{LAYER}`", layer.media_type);
            return Err(OciError::NotComponent { reference: reference(), what });
        }
        let size = u64::try_from(layer.size).unwrap_or(u64::MAX);
        if size > MAX_MODULE_BYTES {
            return Err(OciError::TooLarge { reference: reference(), size });
        }
        let mut stream = client.pull_blob_stream(&self.0, layer).await.map_err(|e| self.failed(e))?.stream;
        let mut wasm = Vec::new();
        while let Some(part) = stream.try_next().await.map_err(|e| self.failed(e.into()))? {
            // A registry may send more than it said.
            if (wasm.len() + part.len()) as u64 > size {
                return Err(OciError::Digest { reference: reference() });
            }
            wasm.extend_from_slice(&part);
        }
        if digest_of(&wasm) != layer.digest {
            return Err(OciError::Digest { reference: reference() });
        }
        let signatures = manifest.annotations.and_then(|mut all| all.remove(SIGNATURES)).unwrap_or_default();
        let signatures = signatures.split(',').map(str::trim).filter(|one| !one.is_empty());
        let signatures = signatures.take(16).map(str::to_owned).collect();
        Ok(Pulled { wasm, signatures })
    }

    /// Publishes a component with its signatures, one line each; `created` is RFC 3339.
    pub async fn publish(
        &self,
        wasm: Vec<u8>,
        imports: &[String],
        signatures: &[String],
        created: &str,
        login: Option<(String, String)>,
    ) -> Result<(), OciError> {
        let config = json!({
            "created": created,
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [digest_of(&wasm)],
            "component": { "exports": ["gristmill:job/handler"], "imports": imports },
        });
        let config = Config::new(config.to_string(), CONFIG.to_owned(), None);
        let layers = [ImageLayer::new(wasm, LAYER.to_owned(), None)];
        let annotations =
            (!signatures.is_empty()).then(|| BTreeMap::from([(SIGNATURES.to_owned(), signatures.join(","))]));
        let manifest = OciImageManifest::build(&layers, &config, annotations);
        let pushed = self.client()?.push(&self.0, &layers, config, &auth(login), Some(manifest)).await;
        pushed.map(drop).map_err(|e| self.failed(e))
    }
}

impl std::fmt::Display for OciReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{SCHEME}{}", self.0)
    }
}

fn auth(login: Option<(String, String)>) -> RegistryAuth {
    login.map_or(RegistryAuth::Anonymous, |(user, password)| RegistryAuth::Basic(user, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let read =
            |text: &str| OciReference::parse(text).map(|r| (r.name().to_owned(), r.tag().map(str::to_owned)));
        let with = |name: &str, tag: Option<&str>| (name.to_owned(), tag.map(str::to_owned));
        assert_eq!(read("oci://ghcr.io/acme/handlers/email:1.2").unwrap(), with("email", Some("1.2")));
        assert_eq!(read("oci://127.0.0.1:5000/email").unwrap(), with("email", Some("latest")));
        let digest = format!("sha256:{}", "0".repeat(64));
        assert_eq!(read(&format!("oci://localhost/email@{digest}")).unwrap(), with("email", None));
        for wrong in
            ["email", "https://ghcr.io/email", "oci://email", "oci://acme/email", "oci://ghcr.io/UP CASE"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
