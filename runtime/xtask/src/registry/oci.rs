//! A handler is published in a real OCI registry, pushed from there, and serves jobs; what is no handler there is refused.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gristmill_core::deployment::digest_of;
use gristmill_queue::{Connection, PrivateRedis};

use super::versions::Versions;
use crate::steps::say;

const READY: Duration = Duration::from_secs(20);

/// Debian's `docker-registry` on a free port; killed when dropped.
struct Registry {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Registry {
    fn start() -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("config.yml");
        let root = folder.path().join("data");
        std::fs::write(
            &config,
            format!(
                "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
                root.display()
            ),
        )?;
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start `docker-registry`; `apt-get install docker-registry`")?;
        let registry = Self { child, address, _folder: folder };
        let begun = Instant::now();
        while std::net::TcpStream::connect(&registry.address).is_err() {
            ensure!(begun.elapsed() < READY, "`docker-registry` does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) async fn prove(binary: &Path) -> Result<()> {
    say("publishing in a registry, and pushing from there");
    let registry = Registry::start()?;
    let redis = PrivateRedis::start().await?;
    let folder = tempfile::tempdir()?;
    let run = |arguments: &[&str]| -> Result<Output> {
        let mut command = Command::new(binary);
        command.arg("handler").args(arguments).args(["--redis", &redis.url()]).current_dir(folder.path());
        Ok(command.env("GRISTMILL_LOG", "warn").output()?)
    };
    let good = |arguments: &[&str]| -> Result<()> {
        let output = run(arguments)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "`gristmill handler {}`: {said}", arguments.join(" "));
        Ok(())
    };
    let mut versions = Versions::new(binary, &redis.url(), "published")?;
    let made = versions.make("good")?;
    let file = made.path.display().to_string();
    let place = format!("oci://{}/acme/versioned", registry.address);
    let tagged = format!("{place}:1.0");
    good(&["keygen", "ours"])?;
    good(&["keygen", "theirs"])?;
    good(&["sign", &file, "--key", "theirs.pem"])?;
    good(&["sign", &file, "--key", "ours.pem"])?;
    good(&["publish", &file, &tagged])?;

    // Signed where it was built, trusted where it is pushed from.
    std::fs::write(
        folder.path().join("gristmill.toml"),
        "[registry]\nrequire = \"signed\"\ntrusted_keys = [\"ours.pub.pem\"]\n",
    )?;
    good(&["push", &tagged, "--queue", "published", "--version", "1.0"])?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let (info, wasm) = connection.module(&made.digest).await?;
    ensure!(info.name == "versioned" && digest_of(&wasm) == made.digest, "another module came: {info:?}");
    ensure!(info.signatures.len() == 2, "of two signatures there came {:?}", info.signatures);

    let unsigned = versions.make("good")?;
    good(&["publish", &unsigned.path.display().to_string(), &format!("{place}:2.0")])?;
    for (reference, why) in [
        (format!("{place}:2.0"), "is not signed"),
        (format!("{place}:3.0"), "manifest unknown"),
        (format!("oci://{}/acme/none:1", registry.address), "manifest unknown"),
        ("oci://127.0.0.1:1/none:1".to_owned(), "error sending request"),
        ("oci://versioned".to_owned(), "names no host"),
    ] {
        let output = run(&["push", &reference, "--queue", "published"])?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(!output.status.success(), "`{reference}` was pushed");
        ensure!(said.contains(why), "`{reference}`: {said}");
    }
    Ok(())
}
