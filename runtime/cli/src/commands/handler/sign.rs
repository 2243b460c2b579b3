//! `gristmill handler keygen`, `sign` and `verify`: signatures over a handler's digest, in a file beside it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gristmill_core::config::Config;
use gristmill_core::deployment::digest_of;
use gristmill_registry::{PublicKey, SigningKey, read_signatures, sig_of, signatures_beside};
use gristmill_sandbox::Sandbox;
use serde::Serialize;

use crate::arguments::Global;
use crate::failure::{FAILED, Failure};
use crate::output;

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

pub(super) fn keygen(name: &Path) -> Result<ExitCode, Failure> {
    let key = SigningKey::new(&rand::random());
    let (private, public) = (with_end(name, ".pem"), with_end(name, ".pub.pem"));
    // An old key is never written over: what it signed would be worth nothing.
    let write = |path: &Path, mode, text: String| {
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(mode).open(path);
        opened
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| Failure::usage(format!("cannot write `{}`: {error}", path.display())))
    };
    write(&private, 0o600, key.to_pem())?;
    write(&public, 0o644, key.public().to_pem())?;
    anstream::println!("{}", key.public().name());
    anstream::eprintln!(
        "`{}` signs: keep it where handlers are built\n`{}` goes into `registry.trusted_keys` of workers",
        private.display(),
        public.display()
    );
    Ok(ExitCode::SUCCESS)
}

pub(super) fn sign(file: &Path, key: &Path) -> Result<ExitCode, Failure> {
    let key = SigningKey::read(key).map_err(Failure::usage)?;
    let digest = digest_of(&Sandbox::read(file).map_err(Failure::usage)?);
    let name = key.public().name();
    let mut signatures = signatures_beside(file).map_err(Failure::usage)?;
    signatures.retain(|signature| signature.key() != name);
    signatures.push(key.sign(&digest));
    let lines: Vec<String> = signatures.iter().map(ToString::to_string).collect();
    let text = lines.join("\n") + "\n";
    read_signatures(&text).map_err(Failure::usage)?;
    let path = sig_of(file);
    fs::write(&path, text)
        .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
    anstream::println!("{digest} signed by {name} in `{}`", path.display());
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Row {
    key: String,
    result: &'static str,
}

pub(super) fn verify(
    file: &Path,
    keys: &[PathBuf],
    config: &Config,
    global: &Global,
) -> Result<ExitCode, Failure> {
    let configured = config.registry.trusted_keys.iter().map(|(path, _)| path);
    let paths: Vec<&PathBuf> = if keys.is_empty() { configured.collect() } else { keys.iter().collect() };
    if paths.is_empty() {
        return Err(Failure::usage("no key to verify with; give `--key FILE`, or `registry.trusted_keys`"));
    }
    let keys: Vec<PublicKey> = paths
        .into_iter()
        .map(|path| PublicKey::read(path))
        .collect::<Result<_, _>>()
        .map_err(Failure::usage)?;
    let digest = digest_of(&Sandbox::read(file).map_err(Failure::usage)?);
    let signatures = signatures_beside(file).map_err(Failure::usage)?;
    if signatures.is_empty() {
        return Err(Failure::new(format!("`{}` has no signature in `{0}.sig`", file.display())));
    }
    let rows: Vec<Row> = signatures
        .iter()
        .map(|signature| {
            let key = keys.iter().find(|key| key.name() == signature.key());
            let result = match key {
                Some(key) if key.made(signature, &digest) => "fits",
                Some(_) => "does not fit: the file or the signature was changed",
                None => "of a key that is not among these",
            };
            Row { key: signature.key().to_owned(), result }
        })
        .collect();
    let wrong = rows.iter().any(|row| row.result.starts_with("does"));
    let fits = rows.iter().any(|row| row.result == "fits") && !wrong;
    if global.json {
        output::json(&rows)?;
    } else {
        output::table(["key", "signature"], rows.into_iter().map(|row| [row.key, row.result.to_owned()]));
    }
    Ok(if fits { ExitCode::SUCCESS } else { FAILED.into() })
}
