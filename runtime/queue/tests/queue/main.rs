//! The scripts against a real `redis-server` that each test starts for itself.

mod flows;
mod limits;
mod locks;
mod settle;
mod support;
mod take;
mod waiting;
