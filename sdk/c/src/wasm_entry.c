/* The component's export: runs the handler on what the host gives, and gives back its end. */
#include "wasm_bindings.h"

typedef exports_gristmill_job_handler_job_error_t job_error;

static gristmill_job_types_failure_t failure(const gm_result *result) {
    gristmill_job_types_failure_t out = {lent(result->message), maybe_lent(result->code), maybe_lent(result->detail)};
    return out;
}

static job_error error_of(const gm_result *result) {
    job_error out;
    memset(&out, 0, sizeof out);
    switch (result->end) {
    case GM_END_RATE_LIMITED:
        out.tag = GRISTMILL_JOB_TYPES_JOB_ERROR_RATE_LIMITED;
        out.val.rate_limited.retry_after.is_some = result->time_ms != GM_NONE;
        out.val.rate_limited.retry_after.val = result->time_ms;
        out.val.rate_limited.message = lent(result->message);
        return out;
    case GM_END_DEFERRED:
        out.tag = GRISTMILL_JOB_TYPES_JOB_ERROR_DEFERRED;
        out.val.deferred.delay = result->time_ms;
        out.val.deferred.reason = lent(result->message);
        return out;
    case GM_END_WAIT_FOR_CHILDREN: out.tag = GRISTMILL_JOB_TYPES_JOB_ERROR_WAIT_FOR_CHILDREN; return out;
    case GM_END_PERMANENT:
        out.tag = GRISTMILL_JOB_TYPES_JOB_ERROR_PERMANENT;
        out.val.permanent = failure(result);
        return out;
    default:
        out.tag = GRISTMILL_JOB_TYPES_JOB_ERROR_RETRYABLE;
        out.val.retryable = failure(result);
        return out;
    }
}

/* Of libc, and in the component only if the handler prints: what printf has kept is written. Nothing else does it, for
 * the instance never exits. */
extern void __stdio_exit(void) __attribute__((__weak__));

bool exports_gristmill_job_handler_run(exports_gristmill_job_handler_job_t *given,
                                       exports_gristmill_job_handler_output_t *output, job_error *error) {
    gm_job job = {taken(given->id),
                  taken(given->name),
                  taken(given->queue),
                  given->attempt,
                  given->max_attempts,
                  taken_bytes(given->data),
                  NULL};
    gm_result result = gm_run(&job, gm_handler);
    if (__stdio_exit != NULL) __stdio_exit();
    if (result.end != GM_END_VALUE) {
        *error = error_of(&result);
        return false;
    }
    output->is_some = result.value.len > 0;
    output->val = lent_bytes(result.value);
    return true;
}

/* The host has read the end. The bindings have a weak function here that frees each text of it; ours are in the memory
 * of the job, which goes as a whole. */
__attribute__((__export_name__("cabi_post_gristmill:job/handler@0.1.0#run"))) void
__wasm_export_exports_gristmill_job_handler_run_post_return(uint8_t *end);

void __wasm_export_exports_gristmill_job_handler_run_post_return(uint8_t *end) {
    (void)end;
    gm_free_all();
}
