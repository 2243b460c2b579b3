//! HTTP: metrics, health, the API and the dashboard, on a thread of their own so that they answer while handlers use every core.

mod api;
mod connections;
mod dashboard;
mod health;
mod server;

pub use health::Heartbeat;
pub use server::{Bound, ControlError, Sources};
