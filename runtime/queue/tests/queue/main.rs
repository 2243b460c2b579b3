//! The scripts against a real `redis-server` that each test starts for itself.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod adding;
mod cancel;
mod flows;
mod gates;
mod limiters;
mod limits;
mod locks;
mod operate;
mod schedule;
mod services;
mod settle;
mod support;
mod take;
mod waiting;
