//! Lines of the job's log, which BullMQ's clients read.
//!
//! The macros take a message like `println!`, with fields before it:
//!
//! ```
//! let template = "welcome";
//! gristmill::info!("sending");
//! gristmill::warn!(template, recipients = 3, "slow server, {} ms", 1_200);
//! # let logs = gristmill::testing::take().logs;
//! # assert_eq!(logs[1].message, "slow server, 1200 ms");
//! # assert_eq!(logs[1].fields[0], ("template".to_owned(), "welcome".to_owned()));
//! ```
//!
//! `println!` and `eprintln!` arrive in the log too, as info and warn. An attempt's lines are counted and a line's
//! length is limited: the host drops and cuts what is over its job type's limits.

use std::fmt::Display;

use crate::host;

/// Importance of a line, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Follows every step.
    Trace,
    /// For finding faults.
    Debug,
    /// Normal events.
    Info,
    /// Something odd.
    Warn,
    /// Something failed.
    Error,
}

/// False when nobody would read a line of this level now. The macros ask it before they build a message.
#[must_use]
pub fn enabled(level: Level) -> bool {
    host::log_enabled(level)
}

/// Writes a message with fields.
pub fn write(level: Level, message: impl Display, fields: &[(&str, &dyn Display)]) {
    let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
    host::log_write(level, &message.to_string(), &fields);
}

/// Writes a message at info level; [`crate::info!`] also takes fields.
pub fn info(message: impl Display) {
    write(Level::Info, message, &[]);
}

/// Writes a message at warn level; [`crate::warn!`] also takes fields.
pub fn warn(message: impl Display) {
    write(Level::Warn, message, &[]);
}

/// Writes a message at error level; [`crate::error!`] also takes fields.
pub fn error(message: impl Display) {
    write(Level::Error, message, &[]);
}

/// What the macros of the five levels share.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    (@fields $level:ident [$($done:tt)*] $name:ident = $value:expr, $($rest:tt)+) => {
        $crate::__log!(@fields $level [$($done)* (stringify!($name), &$value),] $($rest)+)
    };
    (@fields $level:ident [$($done:tt)*] $name:ident, $($rest:tt)+) => {
        $crate::__log!(@fields $level [$($done)* (stringify!($name), &$name),] $($rest)+)
    };
    (@fields $level:ident [$($done:tt)*] $($message:tt)+) => {
        if $crate::log::enabled($crate::log::Level::$level) {
            $crate::log::write($crate::log::Level::$level, format_args!($($message)+), &[$($done)*]);
        }
    };
    ($level:ident $($rest:tt)+) => {
        $crate::__log!(@fields $level [] $($rest)+)
    };
}

/// Writes a line that follows a step; see [`crate::log`].
#[macro_export]
macro_rules! trace {
    ($($rest:tt)+) => { $crate::__log!(Trace $($rest)+) };
}

/// Writes a line for finding faults; see [`crate::log`].
#[macro_export]
macro_rules! debug {
    ($($rest:tt)+) => { $crate::__log!(Debug $($rest)+) };
}

/// Writes a line about a normal event; see [`crate::log`].
#[macro_export]
macro_rules! info {
    ($($rest:tt)+) => { $crate::__log!(Info $($rest)+) };
}

/// Writes a line about something odd; see [`crate::log`].
#[macro_export]
macro_rules! warn {
    ($($rest:tt)+) => { $crate::__log!(Warn $($rest)+) };
}

/// Writes a line about something that failed; see [`crate::log`].
#[macro_export]
macro_rules! error {
    ($($rest:tt)+) => { $crate::__log!(Error $($rest)+) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn macros_take_fields_then_a_message() {
        let user = 7;
        crate::error!(user, size = 3 * 4, "failed: {what}", what = "disk");
        crate::trace!("{}", "plain");
        let logs = testing::take().logs;
        assert_eq!((logs[0].level, logs[0].message.as_str()), (Level::Error, "failed: disk"));
        assert_eq!(
            logs[0].fields,
            [("user".to_owned(), "7".to_owned()), ("size".to_owned(), "12".to_owned())]
        );
        assert_eq!((logs[1].level, logs[1].message.as_str()), (Level::Trace, "plain"));
    }
}
