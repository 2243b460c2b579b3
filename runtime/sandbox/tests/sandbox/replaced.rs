//! A handler that is let go while others run.

use gristmill_core::outcome::Outcome;
use gristmill_sandbox::{Module, Sandbox, Settings};
use serde_json::json;

use crate::handmade::worker;
use crate::support::trial;

/// The pool takes each memory that a handler has used for a moment when that handler goes, to clean it.
#[tokio::test]
async fn letting_a_handler_go_takes_no_attempt_its_memory() {
    let settings = Settings { slots: 1, max_memory: 1 << 20, cache_dir: None, cache_size: 0, compiler: None };
    let sandbox = Sandbox::new(settings).unwrap();
    let wasm = worker("(memory (export \"memory\") 1) (data (i32.const 64) \"some\")");
    let load = |name: &str| sandbox.load_bytes(name, &wasm, false).unwrap();
    let run = async |module: &Module| {
        let report = sandbox.run(module, trial(module.clone(), json!([])).attempt()).await;
        assert!(matches!(report.outcome, Outcome::Returned(None)), "{:?}", report.outcome);
    };
    let stays = load("stays");
    for _ in 0..300 {
        let goes = load("goes");
        run(&goes).await;
        let gone = tokio::task::spawn_blocking(move || drop(goes));
        while !gone.is_finished() {
            run(&stays).await;
        }
        gone.await.unwrap();
    }
}
