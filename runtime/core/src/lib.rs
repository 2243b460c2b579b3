//! Nouns and pure rules of Gristmill. Nothing here waits, reads a clock or draws a random number: time and
//! randomness are arguments, so every rule has a table or property test beside it.

pub mod adaptive;
pub mod alert;
pub mod anomaly;
pub mod backoff;
pub mod breaker;
pub mod clean;
pub mod clock;
pub mod config;
pub mod core_dump;
pub mod deployment;
pub mod health;
pub mod job;
pub mod limiter;
pub mod limits;
pub mod metric;
pub mod new_job;
pub mod options;
pub mod outcome;
pub mod pressure;
pub mod retry;
pub mod sample;
pub mod scaling;
pub mod schedule;
pub mod scheduler;
pub mod schema;
pub mod service;
pub mod setting;
pub mod settlement;
pub mod sketch;
pub mod tally;
pub mod units;
