//! `gristmill new`: a handler project that builds, and passes its own test.

use std::process::ExitCode;

use serde_json::json;

use crate::arguments::{Global, NewArguments};
use crate::failure::Failure;
use crate::output;
use crate::project::{Project, sources};

/// Characters of a project's name.
const MAX_NAME: usize = 64;

pub(crate) fn new(arguments: &NewArguments, global: &Global) -> Result<ExitCode, Failure> {
    let NewArguments { path, language } = arguments;
    let language = *language;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    check_name(&name)?;
    let used = path.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    if used || path.is_file() {
        return Err(Failure::usage(format!("{}: it is there already, and not empty", path.display())));
    }
    let project = Project { directory: path.clone(), name, language };
    sources::unpack(&project)?;
    let test = language.test_command();
    if global.json {
        output::json(&json!({ "directory": path, "language": language, "test": test }))?;
    } else {
        let (directory, title, name) = (path.display(), language.title(), &project.name);
        let sdk = sources::folder(language);
        anstream::println!("{directory}: a handler in {title}, with the SDK in `{sdk}`. What next:\n");
        anstream::println!("  cd {directory}");
        anstream::println!("  gristmill build");
        anstream::println!("  gristmill run target/{name}.wasm --data '{{\"to\":\"Ada\"}}'");
        anstream::println!("  {test}");
    }
    Ok(ExitCode::SUCCESS)
}

/// A name that is one in every language: it becomes that of a package, a file and a handler.
fn check_name(name: &str) -> Result<(), Failure> {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    let rest = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if first && rest && name.len() <= MAX_NAME && !name.ends_with('-') && !name.contains("--") {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "`{name}` cannot be a project's name\nhint: use lower-case letters, digits and `-`, such as `send-email`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("email", true)]
    #[case("send-email2", true)]
    #[case("", false)]
    #[case("Email", false)]
    #[case("2fa", false)]
    #[case("a_b", false)]
    #[case("a--b", false)]
    #[case("a-", false)]
    #[case("ä", false)]
    fn names(#[case] name: &str, #[case] accepted: bool) {
        assert_eq!(check_name(name).is_ok(), accepted);
    }
}
