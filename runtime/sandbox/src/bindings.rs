//! Host side of the package in `/wit`, generated.

// The default of `trappable` lets a host function end the attempt; none of them waits, so none is async.
wasmtime::component::bindgen!({
    path: "../../wit",
    world: "worker",
    imports: { default: trappable },
    exports: { default: async },
    require_store_data_send: true,
});
