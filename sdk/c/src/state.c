/* Small durable values of the job type. */
#include "host.h"

static gm_error key_and_value(const char *key, const gm_writer *value, gm_bytes *json) {
    gm_error error = gm_check_name("the key", key);
    return error.kind == GM_OK ? gm_written(value, json) : error;
}

gm_error gm_state_get(const char *key, const gm_json **value) {
    bool found = false;
    gm_bytes json = {NULL, 0};
    *value = NULL;
    gm_error error = gm_check_name("the key", key);
    if (error.kind == GM_OK) error = host_state_get(key, &found, &json);
    if (error.kind != GM_OK || !found) return error;
    return gm_read_value(GM_STATE, gm_join("`", key, "`", NULL), json, value);
}

gm_error gm_state_set(const char *key, const gm_writer *value, uint64_t ttl_ms) {
    gm_bytes json;
    gm_error error = key_and_value(key, value, &json);
    return error.kind == GM_OK ? host_state_set(key, json, ttl_ms) : error;
}

gm_error gm_state_delete(const char *key, bool *existed) {
    bool was = false;
    gm_error error = gm_check_name("the key", key);
    if (error.kind == GM_OK) error = host_state_delete(key, &was);
    if (existed != NULL) *existed = was;
    return error;
}

gm_error gm_state_increment(const char *key, int64_t delta, uint64_t ttl_ms, int64_t *sum) {
    int64_t now = 0;
    gm_error error = gm_check_name("the key", key);
    if (error.kind == GM_OK) error = host_state_increment(key, delta, ttl_ms, &now);
    if (sum != NULL) *sum = now;
    return error;
}

gm_error gm_state_compare_and_set(const char *key, const gm_writer *expected, const gm_writer *value, uint64_t ttl_ms,
                                  bool *changed) {
    gm_bytes json, before;
    bool done = false;
    gm_error error = key_and_value(key, value, &json);
    if (error.kind == GM_OK && expected != NULL) error = gm_written(expected, &before);
    if (error.kind == GM_OK) {
        error = host_state_compare_and_set(key, expected == NULL ? NULL : &before, json, ttl_ms, &done);
    }
    if (changed != NULL) *changed = done;
    return error;
}
