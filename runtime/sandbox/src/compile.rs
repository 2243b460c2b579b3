//! Compiling in a process of its own, with bounds on time and memory: a module that takes minutes to compile, or makes the
//! compiler use gigabytes, ends there and not in a worker.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use wasmtime::component::Component;

use crate::ModuleError;
use crate::cache::Cache;
use crate::engine::Machine;
use crate::module::uncompiled;

/// Bytes that a compiling process may have: handlers of 20 MB, such as Python's, take less than one.
const MEMORY: u64 = 4 << 30;
/// How often its end is looked for.
const LOOK: Duration = Duration::from_millis(10);
/// Bytes of its error message that are kept.
const MAX_MESSAGE: u64 = 16 << 10;
/// What it ends with when the module cannot be compiled; an abort, or the kernel, ends it otherwise.
const REFUSED: i32 = 1;

/// Where handlers are compiled. Without one, or without a cache directory to hand them over in, that is this process, and
/// nothing bounds it.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// A program that calls [`compile`] when it is started with the arguments `compile`, the cache directory, the bytes of
    /// the most generous job type and `true` or `false` for metering, and the file on standard input.
    pub program: PathBuf,
    /// How long one handler may take.
    pub timeout: Duration,
}

/// Compiles standard input into the cache. For the process that [`Compiler`] starts: what is wrong, on one line, is the last
/// that it says on standard error, and then it ends with 1.
pub fn compile(cache: &Path, max_memory: u64, metered: bool) -> Result<(), String> {
    compile_input(cache, max_memory, metered).map_err(|error| error.replace('\n', " "))
}

fn compile_input(cache: &Path, max_memory: u64, metered: bool) -> Result<(), String> {
    // A limit that cannot be set is lower already.
    let bound = Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
    let _ = setrlimit(Resource::Data, bound);
    let mut wasm = Vec::new();
    std::io::stdin().read_to_end(&mut wasm).map_err(|error| error.to_string())?;
    // Who started this makes room afterwards.
    let cache = Cache::open(cache, u64::MAX).map_err(|error| error.to_string())?;
    let machine = Machine::new(1, max_memory, metered).map_err(|error| error.to_string())?;
    let component = Component::from_binary(&machine.engine, &wasm).map_err(|error| format!("{error:#}"))?;
    cache.store(&machine.engine, &gristmill_core::deployment::digest_of(&wasm), &component);
    Ok(())
}

impl Compiler {
    /// Has a component compiled into the cache.
    pub(crate) fn run(
        &self,
        cache: &Cache,
        name: &str,
        wasm: &[u8],
        max_memory: u64,
        metered: bool,
    ) -> Result<(), ModuleError> {
        let failed = |detail: String| ModuleError::Compiler { name: name.to_owned(), detail };
        let mut child = Command::new(&self.program)
            .arg("compile")
            .arg(cache.dir())
            .args([max_memory.to_string(), metered.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let (status, said) = self.follow(&mut child, wasm).map_err(|error| failed(error.to_string()))?;
        let Some(status) = status else {
            let timeout = self.timeout;
            return Err(ModuleError::CompileTime { name: name.to_owned(), timeout });
        };
        if status.success() {
            return Ok(());
        }
        let last = said.lines().last().unwrap_or_default().to_owned();
        match status.code() {
            Some(REFUSED) => Err(uncompiled(name, last)),
            _ => Err(ModuleError::CompileMemory { name: name.to_owned(), memory: MEMORY, detail: last }),
        }
    }

    /// Feeds it and waits for its end; without one in time it is killed, and there is no status.
    fn follow(&self, child: &mut Child, wasm: &[u8]) -> std::io::Result<(Option<ExitStatus>, String)> {
        let deadline = Instant::now() + self.timeout;
        let (input, output) = (child.stdin.take(), child.stderr.take());
        thread::scope(|scope| {
            scope.spawn(move || {
                // One that ends before it has read all says why itself.
                let _ = input.map(|mut input| input.write_all(wasm));
            });
            let reader = scope.spawn(move || {
                let mut said = String::new();
                let _ = output.map(|output| output.take(MAX_MESSAGE).read_to_string(&mut said));
                said
            });
            let status = loop {
                match child.try_wait()? {
                    Some(status) => break Some(status),
                    None if Instant::now() < deadline => thread::sleep(LOOK),
                    None => {
                        child.kill()?;
                        child.wait()?;
                        break None;
                    }
                }
            };
            Ok((status, reader.join().unwrap_or_default()))
        })
    }
}
