//! Host side of the package in `/wit`, generated.

// `trappable` lets a host function end the attempt. Only those that wait for Redis are async: it costs every call.
wasmtime::component::bindgen!({
    path: "../../wit",
    world: "worker",
    imports: {
        "gristmill:job/enqueue": async | trappable,
        "gristmill:job/secrets": async | trappable,
        "gristmill:job/rate-limit": async | trappable,
        "gristmill:job/circuit-breaker.enter": async | trappable,
        "gristmill:job/state": async | trappable,
        "gristmill:job/progress.save-checkpoint": async | trappable,
        "gristmill:job/progress.load-checkpoint": async | trappable,
        "gristmill:job/progress.update-data": async | trappable,
        default: trappable,
    },
    with: { "gristmill:job/circuit-breaker.permit": crate::services::circuit_breaker::Permit },
    exports: { default: async },
    require_store_data_send: true,
});
