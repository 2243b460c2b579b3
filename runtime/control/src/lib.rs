//! HTTP: metrics, health, the API and the dashboard, and looking after all queues: history, alerts, scaling. On a thread of their
//! own, so that they go on while handlers use every core.

mod api;
mod beat;
mod connections;
mod dashboard;
mod health;
mod keda;
mod load;
mod observer;
mod pace;
mod server;

pub use health::Heartbeat;
pub use server::{Bound, ControlError, Identity, Sources};
