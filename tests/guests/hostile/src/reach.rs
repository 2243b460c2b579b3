//! Reaching for what is not the handler's.

use std::fs::{self, File};

use gristmill::JobError;
use gristmill::enqueue::{self, EnqueueError, NewJob};
use gristmill::http::{HttpError, Request};

/// `denied`, the status of an answer, or another error.
pub(crate) fn fetch(url: String) -> String {
    match Request::get(url).send() {
        Ok(response) => response.status.to_string(),
        Err(HttpError::Denied { .. }) => "denied".to_owned(),
        Err(error) => error.to_string(),
    }
}

pub(crate) fn follow(url: String) -> Result<String, JobError> {
    let response = Request::get(url).send()?;
    let to = response.header("location").ok_or_else(|| JobError::permanent("nobody redirects"))?;
    Ok(fetch(to.to_owned()))
}

pub(crate) fn enqueue(queue: String) -> Result<String, JobError> {
    Ok(match enqueue::submit(NewJob::new("uninvited", &())?.queue(queue)) {
        Ok(_) => "added".to_owned(),
        Err(EnqueueError::Denied(_)) => "denied".to_owned(),
        Err(error) => error.to_string(),
    })
}

/// Names of what worked.
pub(crate) fn files() -> Vec<&'static str> {
    let tries: [(&'static str, bool); 12] = [
        ("write beside", fs::write("harm", "x").is_ok()),
        ("write above", fs::write("../harm", "x").is_ok()),
        ("write far above", fs::write("../../../../../../tmp/harm", "x").is_ok()),
        ("write to an absolute path", fs::write("/tmp/harm", "x").is_ok()),
        ("append", File::options().append(true).create(true).open("/tmp/harm").is_ok()),
        ("truncate", File::create("/etc/hostname").is_ok()),
        ("write to a process", fs::write("/proc/self/mem", "x").is_ok()),
        ("make a directory", fs::create_dir_all("/tmp/harmful/deep").is_ok()),
        ("rename", fs::rename("/tmp/harm", "/tmp/harmed").is_ok()),
        ("link", fs::hard_link("/etc/passwd", "/tmp/harm").is_ok()),
        ("remove", fs::remove_file("/etc/hostname").is_ok()),
        ("list", fs::read_dir("..").is_ok()),
    ];
    tries.into_iter().filter_map(|(name, worked)| worked.then_some(name)).collect()
}

/// Names of what worked, from a directory that is the handler's, with a `link` in it that leads out, to where `secret` is.
pub(crate) fn outside(own: &str) -> Vec<&'static str> {
    let at = |path: &str| format!("{own}/{path}");
    let tries: [(&'static str, bool); 9] = [
        ("write in it", fs::write(at("own"), "x").is_ok()),
        ("write above it", fs::write(at("../outside/harm"), "x").is_ok()),
        ("write around it", fs::write(at("new/../../outside/harm"), "x").is_ok()),
        ("write through the link", fs::write(at("link/harm"), "x").is_ok()),
        ("read through the link", fs::read(at("link/secret")).is_ok()),
        ("list through the link", fs::read_dir(at("link")).is_ok()),
        ("remove through the link", fs::remove_file(at("link/secret")).is_ok()),
        ("move out", fs::rename(at("own"), at("../outside/harm")).is_ok()),
        ("link in", fs::hard_link(at("link/secret"), at("stolen")).is_ok()),
    ];
    tries.into_iter().filter_map(|(name, worked)| worked.then_some(name)).collect()
}
