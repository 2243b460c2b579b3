//! The sandbox against hostile guests: the scripted handler, and components written by hand.

#![expect(clippy::unwrap_used, reason = "tests")]

mod aborts;
mod cache;
mod granted;
mod handmade;
mod http;
mod interrupts;
mod limits;
mod loading;
mod outcomes;
mod output;
mod reach;
mod replaced;
mod reuse;
mod services;
mod support;
