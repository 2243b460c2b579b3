//! Projects of handlers as far as no tool of their language is needed: what `new` writes, and what `build` says of what is
//! missing. `cargo xtask test sdk` builds one in every language.

use std::path::Path;
use std::process::{Command, Output};

use rstest::rstest;

/// Runs the binary in a folder, with this and nothing else on the path.
fn gristmill(arguments: &[&str], folder: &Path, path: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gristmill"));
    let Output { status, stdout, stderr } =
        command.args(arguments).current_dir(folder).env("PATH", path).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[rstest]
#[case("rust", "Cargo.toml", "vendor/gristmill-sdk/src/lib.rs", "needs `cargo` 1.85 or newer")]
#[case("js", "package.json", "vendor/gristmill-sdk/src/index.js", "needs `node` 20.0 or newer")]
#[case("ts", "tsconfig.json", "vendor/gristmill-sdk/src/index.d.ts", "needs `node` 20.0 or newer")]
#[case("python", "pyproject.toml", "vendor/gristmill-sdk/src/gristmill/job.py", "needs `python3` 3.11")]
#[case("c", "handler.c", "vendor/gristmill-sdk/include/gristmill.h", "needs `clang` with the C library")]
#[case("go", "go.mod", "third_party/gristmill-sdk/go.mod", "needs `go` 1.25 or newer")]
fn a_new_project_has_its_sdk_and_a_missing_tool_is_named(
    #[case] language: &str,
    #[case] manifest: &str,
    #[case] of_sdk: &str,
    #[case] needs: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let nothing = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) =
        gristmill(&["new", "greet", "--lang", language], folder.path(), nothing.path());
    assert_eq!(code, Some(0), "{stderr}");
    let sdk = of_sdk.split("/gristmill-sdk").next().unwrap();
    assert!(stdout.contains(&format!("with the SDK in `{sdk}/gristmill-sdk`")), "{stdout}");
    let project = folder.path().join("greet");
    assert!(project.join(manifest).is_file() && project.join(of_sdk).is_file());
    assert!(project.join("sample.json").is_file() && project.join(".gitignore").is_file());

    let (code, _, stderr) = gristmill(&["build"], &project, nothing.path());
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains(needs) && stderr.contains("hint: "), "{stderr}");

    let (code, _, stderr) = gristmill(&["new", "greet", "--lang", language], folder.path(), nothing.path());
    assert!(code == Some(64) && stderr.contains("not empty"), "{stderr}");
}

#[test]
fn a_folder_without_a_project_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, stderr) = gristmill(&["build"], folder.path(), folder.path());
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains("`go.mod` or `handler.c`") && stderr.contains("gristmill new"), "{stderr}");
}

/// Stands in for a compiler of another version.
#[cfg(unix)]
#[test]
fn an_old_compiler_is_named_with_what_it_says() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let go = path.path().join("go");
    std::fs::write(&go, "#!/bin/sh\necho go version go1.19.8 linux/amd64\n").unwrap();
    std::fs::set_permissions(&go, std::fs::Permissions::from_mode(0o755)).unwrap();
    gristmill(&["new", "greet", "--lang", "go"], folder.path(), path.path());
    let (code, _, stderr) = gristmill(&["build"], &folder.path().join("greet"), path.path());
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains("`go version` says go version go1.19.8"), "{stderr}");
}
