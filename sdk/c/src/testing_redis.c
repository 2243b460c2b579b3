/* The host of tests: what needs Redis, which is jobs, state and checkpoints. */
#include "recorder.h"

#include <string.h>

static gm_error served(gm_service service) {
    if (!gm_recorder.away) return gm_works;
    return gm_refused(service, GM_ERROR_UNAVAILABLE, 0, "the test says so; see `gm_test_set_services`");
}

static gm_bytes copy_of(gm_bytes bytes) {
    gm_bytes copy = {(const uint8_t *)gm_copy((const char *)bytes.ptr, bytes.len), bytes.len};
    return copy;
}

static const char *text_of(const char *text) { return text == NULL ? NULL : gm_join(text, NULL); }

gm_error host_submit(const host_job *job, gm_added *added) {
    gm_error error = served(GM_ENQUEUE);
    if (error.kind != GM_OK) return error;
    gm_test_added *record = APPEND(gm_recorder.enqueued);
    record->name = gm_join(job->name, NULL);
    record->data = (const char *)copy_of(job->data).ptr;
    record->queue = text_of(job->queue);
    record->delay_ms = job->delay_ms;
    record->unique_key = text_of(job->unique_key);
    record->child = job->child;
    record->options = job->options.len == 0 ? NULL : (const char *)copy_of(job->options).ptr;
    added->id = gm_join("added-", gm_text_of_uint(gm_recorder.enqueued.count), NULL);
    added->existing = false;
    return gm_works;
}

gm_error host_submit_many(const host_job *jobs, size_t count, gm_added *added) {
    gm_error error = served(GM_ENQUEUE);
    for (size_t i = 0; i < count && error.kind == GM_OK; i++) error = host_submit(&jobs[i], &added[i]);
    return error;
}

gm_error host_children(const host_child **children, size_t *count) {
    *children = gm_recorder.children.items;
    *count = gm_recorder.children.count;
    return served(GM_ENQUEUE);
}

gm_error host_failed_children(const gm_failed_child **children, size_t *count) {
    gm_error error = served(GM_ENQUEUE);
    if (error.kind != GM_OK) return error;
    *children = gm_recorder.failed_children.items;
    *count = gm_recorder.failed_children.count;
    return error;
}

gm_error host_save_checkpoint(gm_bytes json) {
    gm_error error = served(GM_PROGRESS);
    if (error.kind != GM_OK) return error;
    gm_recorder.checkpoint = copy_of(json);
    gm_recorder.has_checkpoint = true;
    return error;
}

gm_error host_load_checkpoint(bool *found, gm_bytes *json) {
    *found = gm_recorder.has_checkpoint;
    *json = gm_recorder.checkpoint;
    return served(GM_PROGRESS);
}

gm_error host_update_data(gm_bytes json) {
    gm_error error = served(GM_PROGRESS);
    if (error.kind == GM_OK) *APPEND(gm_recorder.data) = (const char *)copy_of(json).ptr;
    return error;
}

/* The entry of a key; NULL if it has no value. */
static entry *find(const char *key) {
    for (size_t i = 0; i < gm_recorder.state.count; i++) {
        entry *known = &gm_recorder.state.items[i];
        if (known->value.ptr != NULL && strcmp(known->key, key) == 0) return known;
    }
    return NULL;
}

gm_error host_state_get(const char *key, bool *found, gm_bytes *json) {
    gm_error error = served(GM_STATE);
    if (error.kind != GM_OK) return error;
    entry *known = find(key);
    *found = known != NULL;
    if (known != NULL) *json = known->value;
    return error;
}

gm_error host_state_set(const char *key, gm_bytes json, uint64_t ttl_ms) {
    gm_error error = served(GM_STATE);
    (void)ttl_ms;
    if (error.kind != GM_OK) return error;
    entry *known = find(key);
    if (known == NULL) known = APPEND(gm_recorder.state);
    known->key = gm_join(key, NULL);
    known->value = copy_of(json);
    return error;
}

gm_error host_state_delete(const char *key, bool *existed) {
    gm_error error = served(GM_STATE);
    if (error.kind != GM_OK) return error;
    entry *known = find(key);
    *existed = known != NULL;
    if (known != NULL) known->value.ptr = NULL;
    return error;
}

gm_error host_state_increment(const char *key, int64_t delta, uint64_t ttl_ms, int64_t *sum) {
    gm_error error = served(GM_STATE);
    if (error.kind != GM_OK) return error;
    entry *known = find(key);
    const gm_json *value = NULL;
    int64_t now = 0;
    bool whole = known == NULL || (gm_json_parse(known->value, &value).kind == GM_OK && gm_json_int(value, &now));
    bool fits = delta < 0 ? now >= INT64_MIN - delta : now <= INT64_MAX - delta;
    if (!whole || !fits) {
        return gm_refused(GM_STATE, GM_ERROR_INVALID, 0, gm_join("`", key, "` holds no whole number", NULL));
    }
    *sum = now + delta;
    return host_state_set(key, gm_bytes_of(gm_text_of_int(*sum)), ttl_ms);
}

gm_error host_state_compare_and_set(const char *key, const gm_bytes *expected, gm_bytes json, uint64_t ttl_ms,
                                    bool *changed) {
    gm_error error = served(GM_STATE);
    if (error.kind != GM_OK) return error;
    entry *known = find(key);
    *changed = known == NULL ? expected == NULL
                             : expected != NULL && known->value.len == expected->len &&
                                   memcmp(known->value.ptr, expected->ptr, expected->len) == 0;
    return *changed ? host_state_set(key, json, ttl_ms) : error;
}
