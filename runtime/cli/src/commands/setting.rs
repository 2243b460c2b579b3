//! `gristmill setting`: what is changed while workers run.

use std::process::ExitCode;

use gristmill_core::clock::Clock;
use gristmill_core::setting::Setting;
use gristmill_queue::{Connection, SettingRow};

use crate::arguments::{Global, SettingCommand};
use crate::failure::Failure;
use crate::{host, output, settings};

pub(crate) fn setting(command: SettingCommand, global: &Global) -> Result<ExitCode, Failure> {
    host::host_runtime()?.block_on(run(command, global))
}

async fn run(command: SettingCommand, global: &Global) -> Result<ExitCode, Failure> {
    let mut config = settings::accept(settings::read(global, true)?)?;
    let (connection, _) = Connection::open_at(&host::server(&config.redis)).await?;
    match command {
        SettingCommand::List => {
            let rows = connection.settings().await?;
            if global.json {
                output::json(&rows)?;
                return Ok(ExitCode::SUCCESS);
            }
            let rows = rows
                .into_iter()
                .map(|(key, row)| [key, row.value, row.by, output::time(&row.at_ms.to_string())]);
            output::table(["setting", "value", "set by", "at"], rows);
            Ok(ExitCode::SUCCESS)
        }
        SettingCommand::Set { key, value } => {
            let setting = Setting::parse(&key, &value).map_err(Failure::usage)?;
            // Without a configuration here, the workers' are not known.
            if !config.queues.is_empty() {
                setting.apply(&mut config).map_err(Failure::usage)?;
            }
            let row = SettingRow { value, by: who(), at_ms: Clock::System.now_ms() };
            connection.set_setting(&key, &row).await?;
            Ok(ExitCode::SUCCESS)
        }
        SettingCommand::Unset { key } => {
            if connection.unset_setting(&key).await? {
                return Ok(ExitCode::SUCCESS);
            }
            Err(Failure::new(format!("`{key}` is not set; `gristmill setting list` shows what is")))
        }
    }
}

/// Who runs this command, as far as the system says.
pub(crate) fn who() -> String {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let user = user.unwrap_or_else(|| "somebody".to_owned());
    format!("{user}@{}", machine.trim()).trim_end_matches('@').to_owned()
}
