//! The demo's `gristmill worker`.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use super::jobs::QUEUES;
use crate::guests;
use crate::rig::Rig;

pub(crate) fn start(binary: &Path, redis: &str, sink_port: u16) -> Result<Rig> {
    let mut text = "[worker]\nname = \"demo\"\n".to_owned();
    for (queue, handler, slots, more) in QUEUES {
        let path = guests::folder().join(format!("{handler}.wasm")).display().to_string();
        let more = more.replace("SINK", &sink_port.to_string());
        writeln!(
            text,
            "[queues.{queue}]\nconcurrency = {slots}\n[queues.{queue}.jobs.\"*\"]\nhandler = {path:?}\n{more}"
        )?;
    }
    Rig::start_in(&super::folder(), binary, redis, &text)
}
