//! The real binary from the command line, against a private `redis-server` where it needs one.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod bad_input;
mod dev;
mod handler;
mod jobs;
mod project;
mod run;
mod support;
