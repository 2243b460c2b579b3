//! `gristmill:job/log`.

use crate::Level;
use crate::bindings::gristmill::job::log::{Host, Level as GuestLevel};
use crate::bindings::gristmill::job::types::Attributes;
use crate::guest::Guest;

impl From<GuestLevel> for Level {
    fn from(level: GuestLevel) -> Self {
        match level {
            GuestLevel::Trace => Self::Trace,
            GuestLevel::Debug => Self::Debug,
            GuestLevel::Info => Self::Info,
            GuestLevel::Warn => Self::Warn,
            GuestLevel::Error => Self::Error,
        }
    }
}

impl Host for Guest {
    fn enabled(&mut self, level: GuestLevel) -> wasmtime::Result<bool> {
        Ok(self.log.enabled(level.into()))
    }

    fn write(&mut self, level: GuestLevel, message: String, fields: Attributes) -> wasmtime::Result<()> {
        self.log.write(level.into(), &message, &fields);
        Ok(())
    }
}
