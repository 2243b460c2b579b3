//! The real binary from the command line, against a private `redis-server` where it needs one.

mod bad_input;
mod dev;
mod jobs;
mod run;
mod support;
