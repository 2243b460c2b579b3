//! Errors of the host's side. What a guest does is never one of these but an outcome.

use std::path::PathBuf;

use gristmill_core::units::{show_duration, show_size};

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The same call fails again until somebody changes something.
    Permanent,
    /// The machine was in the way; the same call may work later.
    Transient,
}

/// The sandbox cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// `Settings::slots` is zero or beyond what a pool can count.
    #[error("{slots} slots are not possible; ask for at least 1 and at most 100000")]
    Slots {
        /// What was asked for.
        slots: usize,
    },
    /// Each slot needs memory maps, of which the kernel gives a process only so many.
    #[error(
        "{slots} slots need {needed} memory maps, but `vm.max_map_count` is {max}, enough for {possible} slots; \
         lower the number of slots, or run `sysctl -w vm.max_map_count={needed}`"
    )]
    MapCount {
        /// What was asked for.
        slots: u32,
        /// The kernel's ceiling.
        max: u64,
        /// Slots that would fit.
        possible: u64,
        /// The ceiling that would be enough.
        needed: u64,
    },
    /// The engine refused its settings or the machine refused the address space.
    #[error("cannot reserve a pool of {slots} instances: {reason}")]
    Pool {
        /// What was asked for.
        slots: u32,
        /// What wasmtime says.
        reason: String,
    },
    /// No thread for the epochs.
    #[error("cannot start the thread that stops looping handlers: {0}")]
    Thread(#[source] std::io::Error),
}

impl SandboxError {
    /// Whether trying again can help.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Slots { .. } | Self::MapCount { .. } => ErrorKind::Permanent,
            Self::Pool { .. } | Self::Thread(_) => ErrorKind::Transient,
        }
    }
}

/// A handler cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The JSON Schema of its data cannot be used.
    #[error("handler `{name}` has a schema of its data that cannot be used: {detail}")]
    Schema {
        /// What it was loaded as.
        name: String,
        /// What is wrong.
        detail: String,
    },
    /// Compiling it did not end in time.
    #[error(
        "compiling handler `{name}` took longer than {}; make it smaller, or raise `worker.compile_timeout`",
        show_duration(*timeout)
    )]
    CompileTime {
        /// What it was loaded as.
        name: String,
        /// How long it may take.
        timeout: std::time::Duration,
    },
    /// Compiling it ended for want of memory.
    #[error("compiling handler `{name}` needed more than {}; make it smaller ({detail})", show_size(*memory))]
    CompileMemory {
        /// What it was loaded as.
        name: String,
        /// Bytes that it may take.
        memory: u64,
        /// The last that the compiling process said.
        detail: String,
    },
    /// The compiling process could not be used.
    #[error("handler `{name}` cannot be compiled in a process of its own: {detail}")]
    Compiler {
        /// What it was loaded as.
        name: String,
        /// What went wrong.
        detail: String,
    },
    /// No such file.
    #[error("handler `{}` does not exist; build it, or correct the path", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is there but cannot be read.
    #[error("cannot read handler `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is larger than [`crate::MAX_MODULE_BYTES`].
    #[error("handler `{name}` has {}, more than the {} that are accepted; strip it of debug information", show_size(*size), show_size(crate::MAX_MODULE_BYTES))]
    FileSize {
        /// The handler.
        name: String,
        /// Bytes of the file.
        size: u64,
    },
    /// Not WebAssembly at all.
    #[error(
        "handler `{name}` is not WebAssembly: {found}; build a component, for example with `--target wasm32-wasip2`"
    )]
    NotWasm {
        /// The handler.
        name: String,
        /// What the first bytes look like.
        found: &'static str,
    },
    /// A core module instead of a component.
    #[error(
        "handler `{name}` is a core WebAssembly module, not a component; build it with `--target wasm32-wasip2`, or turn \
         it into one with `wasm-tools component new`"
    )]
    CoreModule {
        /// The handler.
        name: String,
    },
    /// The component has no handler in it.
    #[error(
        "handler `{name}` does not export `gristmill:job/handler`{}; target the world `gristmill:job/worker`, which \
         the SDKs do",
        exports(found)
    )]
    NoHandler {
        /// The handler.
        name: String,
        /// What it exports instead.
        found: Vec<String>,
    },
    /// The component has a handler of another contract.
    #[error("handler `{name}` exports `{export}`, but this host serves `gristmill:job/handler@0.1`; {hint}")]
    HandlerVersion {
        /// The handler.
        name: String,
        /// What it exports.
        export: String,
        /// The way out.
        hint: &'static str,
    },
    /// The component's handler takes or gives other types than the contract's.
    #[error(
        "handler `{name}` exports a `run` that this host cannot call ({detail}); rebuild it with a released SDK of \
         version 0.1"
    )]
    HandlerForm {
        /// The handler.
        name: String,
        /// What differs.
        detail: String,
    },
    /// An import that this host has under no version.
    #[error(
        "handler `{name}` imports `{import}`, which this host does not provide; remove what uses it: a handler has \
         `gristmill:job` and WASI 0.2"
    )]
    UnknownImport {
        /// The handler.
        name: String,
        /// The interface that nobody provides.
        import: String,
    },
    /// An import that this host has, but not in this form.
    #[error(
        "handler `{name}` imports `{import}` in a form that this host does not have ({detail}); rebuild it with an SDK \
         that is not newer than this host"
    )]
    ImportForm {
        /// The handler.
        name: String,
        /// The interface.
        import: String,
        /// What differs.
        detail: String,
    },
    /// It needs more memory at its start than it may have.
    #[error(
        "handler `{name}` needs {} of memory at its start, more than its limit of {}; raise `memory` of its job type",
        show_size(*needed), show_size(*limit)
    )]
    Memory {
        /// The handler.
        name: String,
        /// Bytes of its memory and tables at the start.
        needed: u64,
        /// Bytes that it may have.
        limit: u64,
    },
    /// It exceeds another ceiling of the host.
    #[error("handler `{name}` does not fit into what the worker laid out: {detail}")]
    TooLarge {
        /// The handler.
        name: String,
        /// Which ceiling.
        detail: String,
    },
    /// WebAssembly that is malformed or uses what the host has switched off.
    #[error("handler `{name}` is not a valid component: {detail}")]
    Invalid {
        /// The handler.
        name: String,
        /// Where and why.
        detail: String,
    },
    /// The engine for it cannot be made.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

impl ModuleError {
    /// Whether trying again can help.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { .. } => ErrorKind::Transient,
            Self::Sandbox(error) => error.kind(),
            _ => ErrorKind::Permanent,
        }
    }
}

fn exports(found: &[String]) -> String {
    match found {
        [] => " or anything else".to_owned(),
        names => {
            format!(", only {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
        }
    }
}
