/* The real host: jobs, state, secrets, limiters and breakers. */
#include "wasm_bindings.h"

static gm_error enqueue_error(gristmill_job_enqueue_enqueue_error_t error) {
    switch (error.tag) {
    case GRISTMILL_JOB_ENQUEUE_ENQUEUE_ERROR_DENIED:
        return gm_refused(GM_ENQUEUE, GM_ERROR_DENIED, 0, taken(error.val.denied));
    case GRISTMILL_JOB_ENQUEUE_ENQUEUE_ERROR_INVALID:
        return gm_refused(GM_ENQUEUE, GM_ERROR_INVALID, 0, taken(error.val.invalid));
    case GRISTMILL_JOB_ENQUEUE_ENQUEUE_ERROR_QUOTA_EXCEEDED:
        return gm_refused(GM_ENQUEUE, GM_ERROR_QUOTA_EXCEEDED, 0, NULL);
    default: return gm_refused(GM_ENQUEUE, GM_ERROR_UNAVAILABLE, 0, taken(error.val.unavailable));
    }
}

static gristmill_job_enqueue_new_job_t new_job(const host_job *job) {
    gristmill_job_enqueue_new_job_t out;
    memset(&out, 0, sizeof out);
    out.name = lent(job->name);
    out.queue = maybe_lent(job->queue);
    out.data = lent_bytes(job->data);
    out.delay.is_some = job->delay_ms != GM_NONE;
    out.delay.val = job->delay_ms;
    out.unique_key = maybe_lent(job->unique_key);
    out.child = job->child;
    out.options.is_some = job->options.len > 0;
    out.options.val.ptr = (uint8_t *)job->options.ptr;
    out.options.val.len = job->options.len;
    return out;
}

static gm_added added_of(gristmill_job_enqueue_added_t added) {
    gm_added out = {taken(added.id), added.existing};
    return out;
}

gm_error host_submit(const host_job *job, gm_added *added) {
    gristmill_job_enqueue_new_job_t given = new_job(job);
    gristmill_job_enqueue_added_t answer;
    gristmill_job_enqueue_enqueue_error_t error;
    if (!gristmill_job_enqueue_submit(&given, &answer, &error)) return enqueue_error(error);
    *added = added_of(answer);
    return gm_works;
}

gm_error host_submit_many(const host_job *jobs, size_t count, gm_added *added) {
    gristmill_job_enqueue_list_new_job_t given = {gm_alloc(count * sizeof *given.ptr), count};
    for (size_t i = 0; i < count; i++) given.ptr[i] = new_job(&jobs[i]);
    gristmill_job_enqueue_list_added_t answer;
    gristmill_job_enqueue_enqueue_error_t error;
    if (!gristmill_job_enqueue_submit_many(&given, &answer, &error)) return enqueue_error(error);
    for (size_t i = 0; i < answer.len && i < count; i++) added[i] = added_of(answer.ptr[i]);
    if (answer.len > 0) gm_adopt(answer.ptr);
    return gm_works;
}

gm_error host_children(const host_child **children, size_t *count) {
    worker_list_tuple2_string_list_u8_t list;
    gristmill_job_enqueue_enqueue_error_t error;
    if (!gristmill_job_enqueue_children(&list, &error)) return enqueue_error(error);
    host_child *items = gm_alloc(list.len * sizeof *items);
    for (size_t i = 0; i < list.len; i++) {
        items[i].key = taken(list.ptr[i].f0);
        items[i].value = taken_bytes(list.ptr[i].f1);
    }
    if (list.len > 0) gm_adopt(list.ptr);
    *children = items;
    *count = list.len;
    return gm_works;
}

gm_error host_failed_children(const gm_failed_child **children, size_t *count) {
    worker_list_tuple2_string_string_t list;
    gristmill_job_enqueue_enqueue_error_t error;
    if (!gristmill_job_enqueue_failed_children(&list, &error)) return enqueue_error(error);
    gm_failed_child *items = gm_alloc(list.len * sizeof *items);
    for (size_t i = 0; i < list.len; i++) {
        items[i].key = taken(list.ptr[i].f0);
        items[i].reason = taken(list.ptr[i].f1);
    }
    if (list.len > 0) gm_adopt(list.ptr);
    *children = items;
    *count = list.len;
    return gm_works;
}

typedef gristmill_job_state_state_error_t state_error;

static gm_error state_end(bool done, state_error error) {
    if (done) return gm_works;
    switch (error.tag) {
    case GRISTMILL_JOB_STATE_STATE_ERROR_INVALID:
        return gm_refused(GM_STATE, GM_ERROR_INVALID, 0, taken(error.val.invalid));
    case GRISTMILL_JOB_STATE_STATE_ERROR_TOO_LARGE: return gm_refused(GM_STATE, GM_ERROR_TOO_LARGE, 0, NULL);
    case GRISTMILL_JOB_STATE_STATE_ERROR_QUOTA_EXCEEDED: return gm_refused(GM_STATE, GM_ERROR_QUOTA_EXCEEDED, 0, NULL);
    default: return gm_refused(GM_STATE, GM_ERROR_UNAVAILABLE, 0, taken(error.val.unavailable));
    }
}

gm_error host_state_get(const char *key, bool *found, gm_bytes *json) {
    worker_string_t name = lent(key);
    worker_option_list_u8_t value = {false, {NULL, 0}};
    state_error error = {0};
    bool done = gristmill_job_state_get(&name, &value, &error);
    *found = done && value.is_some;
    if (*found) *json = taken_bytes(value.val);
    return state_end(done, error);
}

gm_error host_state_set(const char *key, gm_bytes json, uint64_t ttl_ms) {
    worker_string_t name = lent(key);
    worker_list_u8_t value = lent_bytes(json);
    state_error error = {0};
    bool done = gristmill_job_state_set(&name, &value, maybe_time(&ttl_ms), &error);
    return state_end(done, error);
}

gm_error host_state_delete(const char *key, bool *existed) {
    worker_string_t name = lent(key);
    state_error error = {0};
    bool done = gristmill_job_state_delete(&name, existed, &error);
    return state_end(done, error);
}

gm_error host_state_increment(const char *key, int64_t delta, uint64_t ttl_ms, int64_t *sum) {
    worker_string_t name = lent(key);
    state_error error = {0};
    bool done = gristmill_job_state_increment(&name, delta, maybe_time(&ttl_ms), sum, &error);
    return state_end(done, error);
}

gm_error host_state_compare_and_set(const char *key, const gm_bytes *expected, gm_bytes json, uint64_t ttl_ms,
                                    bool *changed) {
    worker_string_t name = lent(key);
    worker_list_u8_t value = lent_bytes(json), before = {NULL, 0};
    if (expected != NULL) before = lent_bytes(*expected);
    state_error error = {0};
    bool done = gristmill_job_state_compare_and_set(&name, expected == NULL ? NULL : &before, &value,
                                                    maybe_time(&ttl_ms), changed, &error);
    return state_end(done, error);
}

gm_error host_secret(const char *name, const char **value) {
    worker_string_t wanted = lent(name), secret;
    gristmill_job_secrets_secret_error_t error;
    if (gristmill_job_secrets_get(&wanted, &secret, &error)) {
        *value = taken(secret);
        return gm_works;
    }
    if (error.tag == GRISTMILL_JOB_SECRETS_SECRET_ERROR_DENIED) return gm_refused(GM_SECRETS, GM_ERROR_DENIED, 0, NULL);
    return gm_refused(GM_SECRETS, GM_ERROR_UNAVAILABLE, 0, taken(error.val.unavailable));
}

static gm_error limit_end(bool done, gristmill_job_rate_limit_limit_error_t error) {
    if (done) return gm_works;
    switch (error.tag) {
    case GRISTMILL_JOB_RATE_LIMIT_LIMIT_ERROR_LIMITED:
        return gm_refused(GM_LIMITERS, GM_ERROR_LIMITED, error.val.limited, NULL);
    case GRISTMILL_JOB_RATE_LIMIT_LIMIT_ERROR_UNKNOWN_LIMITER:
        return gm_refused(GM_LIMITERS, GM_ERROR_UNKNOWN_LIMITER, 0, NULL);
    case GRISTMILL_JOB_RATE_LIMIT_LIMIT_ERROR_DENIED: return gm_refused(GM_LIMITERS, GM_ERROR_DENIED, 0, NULL);
    case GRISTMILL_JOB_RATE_LIMIT_LIMIT_ERROR_INVALID:
        return gm_refused(GM_LIMITERS, GM_ERROR_INVALID, 0, taken(error.val.invalid));
    default: return gm_refused(GM_LIMITERS, GM_ERROR_UNAVAILABLE, 0, taken(error.val.unavailable));
    }
}

gm_error host_try_acquire(const char *limiter, const char *key, uint32_t cost) {
    worker_string_t name = lent(limiter), part = lent(key);
    gristmill_job_rate_limit_limit_error_t error = {0};
    bool done = gristmill_job_rate_limit_try_acquire(&name, &part, cost, &error);
    return limit_end(done, error);
}

gm_error host_acquire(const char *limiter, const char *key, uint32_t cost, uint64_t max_wait_ms, uint64_t *waited_ms) {
    worker_string_t name = lent(limiter), part = lent(key);
    gristmill_job_rate_limit_limit_error_t error = {0};
    bool done = gristmill_job_rate_limit_acquire(&name, &part, cost, max_wait_ms, waited_ms, &error);
    return limit_end(done, error);
}

gm_error host_enter(const char *breaker, const char *key, int32_t *handle) {
    worker_string_t name = lent(breaker), part = lent(key);
    gristmill_job_circuit_breaker_own_permit_t permit;
    gristmill_job_circuit_breaker_breaker_error_t error;
    if (gristmill_job_circuit_breaker_enter(&name, &part, &permit, &error)) {
        *handle = permit.__handle;
        return gm_works;
    }
    switch (error.tag) {
    case GRISTMILL_JOB_CIRCUIT_BREAKER_BREAKER_ERROR_OPEN:
        return gm_refused(GM_BREAKERS, GM_ERROR_OPEN, error.val.open, NULL);
    case GRISTMILL_JOB_CIRCUIT_BREAKER_BREAKER_ERROR_UNKNOWN_BREAKER:
        return gm_refused(GM_BREAKERS, GM_ERROR_UNKNOWN_BREAKER, 0, NULL);
    case GRISTMILL_JOB_CIRCUIT_BREAKER_BREAKER_ERROR_DENIED: return gm_refused(GM_BREAKERS, GM_ERROR_DENIED, 0, NULL);
    case GRISTMILL_JOB_CIRCUIT_BREAKER_BREAKER_ERROR_INVALID:
        return gm_refused(GM_BREAKERS, GM_ERROR_INVALID, 0, taken(error.val.invalid));
    default: return gm_refused(GM_BREAKERS, GM_ERROR_UNAVAILABLE, 0, taken(error.val.unavailable));
    }
}

/* The outcomes have the same order. A number that is none of them would end the instance. */
void host_complete(const gm_permit *permit, gm_outcome outcome) {
    gristmill_job_circuit_breaker_own_permit_t own = {permit->handle};
    unsigned known = (unsigned)outcome > GM_IGNORE ? GM_FAILURE : (unsigned)outcome;
    gristmill_job_circuit_breaker_static_permit_complete(own, (gristmill_job_circuit_breaker_outcome_t)known);
}

void host_drop(const gm_permit *permit) {
    gristmill_job_circuit_breaker_own_permit_t own = {permit->handle};
    gristmill_job_circuit_breaker_permit_drop_own(own);
}
