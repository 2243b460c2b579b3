/* Between what the host gives and takes and the handler: the job's data, and its end. */
#include "internal.h"

#include <string.h>

bool gm_is_last_attempt(const gm_job *job) { return job->attempt >= job->max_attempts; }

/* The text may be gone when the host reads it, so it is kept. */
static const char *kept(const char *text) { return text == NULL ? "" : gm_for_people(gm_copy(text, strlen(text))); }

static gm_result ends(gm_end end, const char *message) {
    gm_result result = {end, {NULL, 0}, message, NULL, NULL, GM_NONE};
    return result;
}

gm_result gm_value(const gm_writer *w) {
    gm_result result = ends(GM_END_VALUE, "");
    gm_error error = gm_written(w, &result.value);
    if (error.kind == GM_OK) return result;
    return gm_with_code(gm_permanent(gm_join("the return value: ", error.message, NULL)), "bad-return-value");
}

gm_result gm_nothing(void) { return ends(GM_END_VALUE, ""); }
gm_result gm_retryable(const char *message) { return ends(GM_END_RETRYABLE, kept(message)); }
gm_result gm_permanent(const char *message) { return ends(GM_END_PERMANENT, kept(message)); }
gm_result gm_wait_for_children(void) { return ends(GM_END_WAIT_FOR_CHILDREN, "waits for its children"); }

gm_result gm_rate_limited(uint64_t retry_after_ms, const char *message) {
    gm_result result = ends(GM_END_RATE_LIMITED, kept(message));
    result.time_ms = retry_after_ms;
    return result;
}

gm_result gm_deferred(uint64_t delay_ms, const char *reason) {
    gm_result result = ends(GM_END_DEFERRED, kept(reason));
    result.time_ms = delay_ms;
    return result;
}

static bool is_failure(gm_result result) { return result.end == GM_END_RETRYABLE || result.end == GM_END_PERMANENT; }

gm_result gm_with_code(gm_result result, const char *code) {
    if (is_failure(result)) result.code = code == NULL ? NULL : kept(code);
    return result;
}

gm_result gm_with_detail(gm_result result, const char *detail) {
    if (is_failure(result)) result.detail = detail == NULL ? NULL : kept(detail);
    return result;
}

gm_result gm_bad_data(const gm_misfit *misfit) {
    const char *why = misfit->message == NULL ? "the handler does not say why" : misfit->message;
    return gm_with_code(gm_permanent(gm_join("the job's data does not fit this handler: ", why, NULL)), "bad-data");
}

gm_result gm_fail(gm_error error) {
    if (error.kind == GM_ERROR_LIMITED) return gm_rate_limited(error.retry_after_ms, error.message);
    if (error.kind == GM_ERROR_OPEN) return gm_deferred(error.retry_after_ms, error.message);
    return error.hopeless ? gm_permanent(error.message) : gm_retryable(error.message);
}

/* An end that was not made by the functions above, such as one that was never set. */
static gm_result sound(gm_result result) {
    if (result.message == NULL) result.message = "";
    switch (result.end) {
    case GM_END_VALUE:
    case GM_END_RETRYABLE:
    case GM_END_PERMANENT:
    case GM_END_RATE_LIMITED:
    case GM_END_DEFERRED:
    case GM_END_WAIT_FOR_CHILDREN: return result;
    }
    return gm_with_code(gm_permanent("the handler returned no end: return what `gm_value`, `gm_nothing`, "
                                     "`gm_retryable` or another of these functions made"),
                        "bad-return-value");
}

gm_result gm_run(gm_job *job, gm_result (*handler)(const gm_job *job)) {
    gm_misfit misfit = {NULL};
    gm_error error = gm_json_parse(job->text, &job->data);
    misfit.message = error.message;
    gm_result result = error.kind == GM_OK ? sound(handler(job)) : gm_bad_data(&misfit);
    gm_close_all();
    return result;
}
