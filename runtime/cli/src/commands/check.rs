//! `gristmill check`: everything wrong with configuration and handlers, and where each effective value came from.

use std::process::ExitCode;

use gristmill_telemetry::Metrics;
use serde::Serialize;

use crate::arguments::Global;
use crate::failure::{Failure, config_errors};
use crate::{host, output, settings};

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    problems: &'a [String],
    values: &'a [gristmill_core::config::Effective],
}

pub(crate) fn check(global: &Global) -> Result<ExitCode, Failure> {
    let loaded = settings::read(global, false)?;
    let mut problems = config_errors(&loaded);
    // Handlers are checked as far as the configuration is understood.
    let metrics = Metrics::new().map_err(Failure::new)?;
    let checked = host::sandbox(&loaded.config)
        .and_then(|sandbox| host::handlers(&loaded.config, &sandbox, &metrics).map(drop));
    if let Err(failure) = checked {
        problems.extend(failure.into_lines());
    }
    if global.json {
        output::json(&Report { ok: problems.is_empty(), problems: &problems, values: &loaded.effective })?;
    } else {
        let rows = loaded.effective.iter().map(|e| [e.key.clone(), e.value.clone(), e.source.clone()]);
        output::table(["setting", "value", "from"], rows);
    }
    if problems.is_empty() {
        if !global.json {
            anstream::println!("configuration and handlers are fine");
        }
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::problems(problems))
}
