//! A handler that is compiled, linked and ready to be instantiated.

use std::sync::{Arc, Mutex, PoisonError};

pub use gristmill_core::deployment::MAX_MODULE_BYTES;
use gristmill_core::deployment::digest_of;
use gristmill_core::limits::Limits;
use gristmill_core::schema::{Schema, section};
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::bindings::WorkerPre;
use crate::bindings::exports::gristmill::job::handler::{Job, JobError};
use crate::cache::Cache;
use crate::engine::Machine;
use crate::guest::Guest;
use crate::pool::{MAX_TABLE_ELEMENTS, PAGE};
use crate::{Compiler, ModuleError};

/// The interface that a handler exports, without its version.
const HANDLER: &str = "gristmill:job/handler";
/// The start of the versions of it that this host serves.
const HANDLER_SERVED: &str = "gristmill:job/handler@0.1.";
/// Starts of the interfaces that this host has in one version or another.
const KNOWN: [&str; 17] = [
    "gristmill:job/circuit-breaker@",
    "gristmill:job/context@",
    "gristmill:job/enqueue@",
    "gristmill:job/log@",
    "gristmill:job/metrics@",
    "gristmill:job/progress@",
    "gristmill:job/rate-limit@",
    "gristmill:job/secrets@",
    "gristmill:job/state@",
    "gristmill:job/types@",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

/// A loaded handler. Cheap to clone.
#[derive(Clone)]
pub struct Module(Arc<Inner>);

struct Inner {
    /// Taken by dropping only.
    pre: Option<WorkerPre<Guest>>,
    name: String,
    digest: String,
    size: u64,
    metered: bool,
    imports: Vec<String>,
    wit: String,
    start_memory: u64,
    schema: Option<Schema>,
}

/// One handler goes at a time: the pool takes each memory that it has used for a moment, to clean it, and has one to spare
/// for that. What goes with an instance goes before its slot is free, and needs none.
static GOING: Mutex<()> = Mutex::new(());

impl Drop for Inner {
    fn drop(&mut self) {
        let _going = GOING.lock().unwrap_or_else(PoisonError::into_inner);
        self.pre = None;
    }
}

impl Module {
    /// What it was loaded as: its path, or the name given with its bytes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// `sha256:` and 64 hexadecimal digits, of the WebAssembly file.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// Bytes of the WebAssembly file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// Whether it counts fuel.
    #[must_use]
    pub fn metered(&self) -> bool {
        self.0.metered
    }

    /// Names of the interfaces that it imports, with their versions.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }

    /// The version of `gristmill:job` that it was built for.
    #[must_use]
    pub fn wit_version(&self) -> &str {
        &self.0.wit
    }

    /// Whether an attempt with these limits can start at all: the memory that the component begins with is within
    /// them.
    pub fn fits(&self, limits: &Limits) -> Result<(), ModuleError> {
        check_memory(&self.0.name, self.0.start_memory, limits.memory)
    }

    /// Bytes of memory and tables that an instance begins with.
    #[must_use]
    pub fn start_memory(&self) -> u64 {
        self.0.start_memory
    }

    /// The JSON Schema of the job's data, where the handler has one.
    #[must_use]
    pub fn schema(&self) -> Option<&Schema> {
        self.0.schema.as_ref()
    }

    pub(crate) fn pre(&self) -> &WorkerPre<Guest> {
        self.0.pre.as_ref().expect("only dropping takes it")
    }

    /// Compiles the bytes, or takes the compiled form from the cache, and links it.
    pub(crate) fn make(
        machine: &Machine,
        cache: Option<&Cache>,
        compiler: Option<&Compiler>,
        name: &str,
        wasm: &[u8],
        metered: bool,
        max_memory: u64,
    ) -> Result<Self, ModuleError> {
        check_header(name, wasm)?;
        let schema = schema(name, wasm)?;
        let digest = digest_of(wasm);
        let kept = || cache.and_then(|cache| cache.load(&machine.engine, &digest));
        let component = match (kept(), cache.zip(compiler)) {
            (Some(component), _) => component,
            (None, Some((cache, compiler))) => {
                let mut component = None;
                // Another worker that makes room may have removed it before it was read; twice in a row is no chance.
                for _ in 0..2 {
                    compiler.run(cache, name, wasm, max_memory, metered)?;
                    component = kept();
                    cache.make_room(&machine.engine, &digest);
                    if component.is_some() {
                        break;
                    }
                }
                component.ok_or_else(|| ModuleError::Compiler {
                    name: name.to_owned(),
                    detail: "what it compiled is not in the cache directory; is the disk full?".to_owned(),
                })?
            }
            (None, None) => {
                let component = Component::from_binary(&machine.engine, wasm)
                    .map_err(|error| uncompiled(name, format!("{error:#}")))?;
                if let Some(cache) = cache {
                    cache.store(&machine.engine, &digest, &component);
                    cache.make_room(&machine.engine, &digest);
                }
                component
            }
        };
        // Compiled code in the cache may come from a pool of another size, so the ceilings are checked here as well.
        let start_memory = start_memory(name, &component)?;
        check_memory(name, start_memory, max_memory)?;
        let (imports, wit) = check_names(name, machine, &component)?;
        let unlinked = |error| unlinked(name, &imports, &error);
        let pre = machine.linker.instantiate_pre(&component).map_err(unlinked)?;
        check_run(machine, &component).map_err(|error| misshapen(name, &error))?;
        let pre = WorkerPre::new(pre).map_err(|error| misshapen(name, &error))?;
        let size = wasm.len() as u64;
        Ok(Self(Arc::new(Inner {
            pre: Some(pre),
            name: name.to_owned(),
            digest,
            size,
            metered,
            imports,
            wit,
            start_memory,
            schema,
        })))
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("name", &self.0.name)
            .field("digest", &self.0.digest)
            .finish_non_exhaustive()
    }
}

fn schema(name: &str, wasm: &[u8]) -> Result<Option<Schema>, ModuleError> {
    let unusable = |detail| ModuleError::Schema { name: name.to_owned(), detail };
    section(wasm).map(Schema::parse).transpose().map_err(unusable)
}

fn check_header(name: &str, wasm: &[u8]) -> Result<(), ModuleError> {
    let found = match wasm {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            return Err(ModuleError::CoreModule { name: name.to_owned() });
        }
        [0, b'a', b's', b'm', _, 0, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', ..] => "a version of WebAssembly that is not known here",
        [0x7f, b'E', b'L', b'F', ..] => "it is machine code",
        [] => "the file is empty",
        text if text.trim_ascii_start().starts_with(b"(") => "it is WebAssembly in text form",
        _ => "its first bytes are others",
    };
    Err(ModuleError::NotWasm { name: name.to_owned(), found })
}

/// Bytes of memory and tables when the instance starts; an upper bound if the component has several.
fn start_memory(name: &str, component: &Component) -> Result<u64, ModuleError> {
    let Some(needs) = component.resources_required() else {
        let detail = "it imports a core module".to_owned();
        return Err(ModuleError::Invalid { name: name.to_owned(), detail });
    };
    let elements = needs.max_initial_table_size.unwrap_or(0);
    if elements > MAX_TABLE_ELEMENTS as u64 {
        let detail = format!("a table of {elements} elements, more than the limit of {MAX_TABLE_ELEMENTS}");
        return Err(ModuleError::TooLarge { name: name.to_owned(), detail });
    }
    let memory = needs.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE);
    let tables = elements.saturating_mul(8).saturating_mul(needs.num_tables.into());
    Ok(memory.saturating_mul(needs.num_memories.into()).saturating_add(tables))
}

fn check_memory(name: &str, needed: u64, limit: u64) -> Result<(), ModuleError> {
    if needed <= limit {
        return Ok(());
    }
    Err(ModuleError::Memory { name: name.to_owned(), needed, limit })
}

/// Looks for the handler among the exports, and for imports that no version of this host has. Answers the imports, and the
/// version of the handler's interface.
fn check_names(
    name: &str,
    machine: &Machine,
    component: &Component,
) -> Result<(Vec<String>, String), ModuleError> {
    let ty = component.component_type();
    let exports: Vec<_> = ty.exports(&machine.engine).map(|(export, _)| export.to_owned()).collect();
    let served = exports.iter().find(|export| export.starts_with(HANDLER_SERVED));
    let Some(wit) = served.and_then(|export| export.split('@').nth(1)).map(str::to_owned) else {
        let name = name.to_owned();
        return Err(match exports.iter().find(|export| export.split('@').next() == Some(HANDLER)) {
            Some(export) => ModuleError::HandlerVersion {
                name,
                export: export.clone(),
                hint: "use the SDK of this host's version, or update the host",
            },
            None => ModuleError::NoHandler { name, found: exports.into_iter().take(8).collect() },
        });
    };
    let mut imports = Vec::new();
    for (import, item) in ty.imports(&machine.engine) {
        let known = KNOWN.iter().any(|known| import.starts_with(known));
        // A type is an import only by name; it asks nothing of the host.
        if !known && !matches!(item.ty, ComponentItem::Type(_)) {
            return Err(ModuleError::UnknownImport { name: name.to_owned(), import: import.to_owned() });
        }
        imports.push(import.to_owned());
    }
    Ok((imports, wit))
}

/// Compares the type of `run` with the contract's; without this a difference would show only in the first attempt.
fn check_run(machine: &Machine, component: &Component) -> wasmtime::Result<()> {
    let ty = machine.linker.substituted_component_type(component)?;
    let handlers = ty.exports(&machine.engine).filter(|(export, _)| export.starts_with(HANDLER_SERVED));
    for (_, item) in handlers {
        let ComponentItem::ComponentInstance(handler) = item.ty else {
            wasmtime::bail!("it is not an interface");
        };
        let run = handler.get_export(&machine.engine, "run").map(|item| item.ty);
        let Some(ComponentItem::ComponentFunc(run)) = run else {
            wasmtime::bail!("there is no function of this name");
        };
        run.typecheck::<(&Job,), (Result<Option<Vec<u8>>, JobError>,)>(&ty.instance_type())?;
    }
    Ok(())
}

fn misshapen(name: &str, error: &wasmtime::Error) -> ModuleError {
    ModuleError::HandlerForm { name: name.to_owned(), detail: format!("{error:#}") }
}

/// What the compiler's message means.
pub(crate) fn uncompiled(name: &str, detail: String) -> ModuleError {
    let name = name.to_owned();
    // The pool's ceilings are checked while compiling; its messages all say so in these words.
    if ["exceeds the limit", "exceeds the per-instance limit", "exceeds the configured maximum"]
        .iter()
        .any(|words| detail.contains(words))
    {
        let hint = if detail.contains("minimum byte size") { "; raise `memory` of its job type" } else { "" };
        return ModuleError::TooLarge { name, detail: detail + hint };
    }
    ModuleError::Invalid { name, detail }
}

/// The linker names the import in its message; which of ours it is decides what to say.
fn unlinked(name: &str, imports: &[String], error: &wasmtime::Error) -> ModuleError {
    let detail = format!("{error:#}");
    let import = imports.iter().find(|import| detail.contains(&format!("`{import}`")));
    ModuleError::ImportForm {
        name: name.to_owned(),
        import: import.cloned().unwrap_or_else(|| "an interface".to_owned()),
        detail: detail.rsplit(": ").next().unwrap_or_default().to_owned(),
    }
}
