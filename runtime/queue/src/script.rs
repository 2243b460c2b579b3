//! Our Lua scripts, sent by digest and loaded when the server does not know them yet.

use std::sync::LazyLock;

use redis::{Cmd, ErrorKind, ServerErrorKind, ToRedisArgs, Value};

use crate::connection::Connection;
use crate::error::QueueError;
use crate::keys::Keys;

/// One script: the shared library and its own text.
pub(crate) struct Script {
    code: String,
    digest: String,
}

macro_rules! script {
    ($name:ident, $($part:literal),+) => {
        pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("scripts/lib.lua"), $("\n", include_str!(concat!("scripts/", $part))),+))
        });
    };
}

script!(TURN, "adding.lua", "limiting.lua", "breaking.lua", "grouping.lua", "turn.lua");
script!(LIMIT, "limiting.lua", "limit.lua");
script!(LIMITER_SHOW, "limiting.lua", "limiter_show.lua");
script!(BREAKER, "limiting.lua", "breaking.lua", "breaker.lua");
script!(DEPLOY, "deploy.lua");
script!(LEAD, "lead.lua");
script!(ALERT, "alert.lua");
script!(PUT_CHUNK, "put_chunk.lua");
script!(FINISH_BLOB, "finish_blob.lua");
script!(RENEW, "renew.lua");
script!(STALLED, "stalled.lua");
script!(REPORT, "report.lua");
script!(STATE, "state.lua");
script!(KEEP, "keep.lua");
script!(ADD, "adding.lua", "add.lua");
script!(PAUSE, "pause.lua");
script!(MOVE, "move.lua");
script!(MOVE_MANY, "move_many.lua");
script!(REMOVE, "removing.lua", "remove.lua");
script!(CLEAN, "removing.lua", "clean.lua");
script!(DRAIN, "removing.lua", "drain.lua");
script!(OBLITERATE, "removing.lua", "obliterate.lua");
script!(SCHEDULE, "adding.lua", "removing.lua", "scheduling.lua", "schedule.lua");
script!(SCHEDULE_NEXT, "adding.lua", "scheduling.lua", "schedule_next.lua");
script!(UNSCHEDULE, "adding.lua", "removing.lua", "scheduling.lua", "unschedule.lua");

impl Script {
    fn new(code: &str) -> Self {
        // Comments are for readers; what is loaded is kept by the server for good.
        let code: Vec<_> =
            code.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("--")).collect();
        let code = code.join("\n");
        let digest = redis::Script::new(&code).get_hash().to_owned();
        Self { code, digest }
    }

    /// A call with the arguments that every script has: the base key and the caller's clock.
    pub(crate) fn call<'a>(&'a self, keys: &'a Keys, now_ms: u64) -> Call<'a> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.digest).arg(1).arg(keys.key("meta")).arg(keys.base()).arg(now_ms);
        Call { script: self, command, keys: Some(keys) }
    }

    /// A call that is about a key of our own and no queue.
    pub(crate) fn call_on(&self, key: &str) -> Call<'_> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.digest).arg(1).arg(key).arg("").arg(0);
        Call { script: self, command, keys: None }
    }
}

/// A script call that is being put together.
pub(crate) struct Call<'a> {
    script: &'a Script,
    command: Cmd,
    keys: Option<&'a Keys>,
}

impl Call<'_> {
    pub(crate) fn arg<T: ToRedisArgs>(&mut self, value: T) -> &mut Self {
        self.command.arg(value);
        self
    }

    /// Sends it; a server that does not know the script is given it first.
    pub(crate) async fn send(&self, connection: &Connection) -> Result<Value, QueueError> {
        if let Some(keys) = self.keys {
            connection.check_keys(keys)?;
        }
        match connection.call(&self.command).await {
            Err(QueueError::Redis { source, .. })
                if source.kind() == ErrorKind::Server(ServerErrorKind::NoScript) =>
            {
                connection.call(redis::cmd("SCRIPT").arg("LOAD").arg(&self.script.code)).await?;
                connection.call(&self.command).await
            }
            answer => answer,
        }
    }
}
