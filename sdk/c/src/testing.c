/* What tests ask and set. */
#include "recorder.h"

#include <string.h>

static const gm_test_context no_context = GM_TEST_CONTEXT;

recorder gm_recorder = {.context = GM_TEST_CONTEXT};

void *gm_test_grow(void *items, size_t count, size_t size) {
    char *grown = (char *)gm_resize(items, count * size, (count + 1) * size);
    memset(grown + count * size, 0, size);
    return grown;
}

void gm_test_begin(void) {
    gm_free_all();
    memset(&gm_recorder, 0, sizeof gm_recorder);
    gm_recorder.context = no_context;
}

void gm_test_end(void) { gm_test_begin(); }

gm_job *gm_test_job(const char *json) {
    gm_job *job = (gm_job *)gm_alloc(sizeof *job);
    job->id = "1";
    job->name = job->queue = "test";
    job->attempt = 1;
    job->max_attempts = 3;
    job->text = gm_bytes_of(json);
    return job;
}

gm_result gm_test_call(gm_result (*handler)(const gm_job *job), gm_job *job) {
    gm_result result = gm_run(job, handler);
    const gm_json *value;
    if (result.end != GM_END_VALUE || result.value.len == 0) return result;
    gm_error error = gm_json_parse(result.value, &value);
    return error.kind == GM_OK ? result : gm_permanent(gm_join("output: ", error.message, NULL));
}

bool gm_test_same(gm_bytes bytes, const char *text) {
    return bytes.len == strlen(text) && (bytes.len == 0 || memcmp(bytes.ptr, text, bytes.len) == 0);
}

gm_test_records gm_test_take(void) {
    recorder *r = &gm_recorder;
    gm_test_records taken = {
        r->logs.items,    r->logs.count,     r->progress.items, r->progress.count, r->metrics.items,
        r->metrics.count, r->requests.items, r->requests.count, r->enqueued.items, r->enqueued.count,
        r->data.items,    r->data.count,     r->guarded.items,  r->guarded.count,
    };
    recorder fresh = *r;
    memset(&fresh, 0, offsetof(recorder, context));
    *r = fresh;
    return taken;
}

void gm_test_set_context(gm_test_context context) { gm_recorder.context = context; }

void gm_test_answer(uint16_t status, gm_pairs headers, const char *body) {
    answer *made = APPEND(gm_recorder.answers);
    made->response.status = status;
    made->response.headers = headers;
    made->response.body = gm_bytes_of(body);
}

void gm_test_answer_error(gm_error_kind kind) { APPEND(gm_recorder.answers)->kind = kind; }

void gm_test_set_services(bool there) { gm_recorder.away = !there; }

static void set(setting *item, const char *name, const char *text, uint64_t number) {
    item->name = name;
    item->text = text;
    item->number = number;
}

void gm_test_set_secret(const char *name, const char *value) { set(APPEND(gm_recorder.secrets), name, value, 0); }
void gm_test_set_limiter(const char *name, uint32_t units) { set(APPEND(gm_recorder.limiters), name, NULL, units); }
void gm_test_set_breaker(const char *name, bool closed) { set(APPEND(gm_recorder.breakers), name, NULL, closed); }

void gm_test_add_child(const char *key, const char *json) {
    host_child *child = APPEND(gm_recorder.children);
    child->key = key;
    child->value = gm_bytes_of(json);
}

void gm_test_add_failed_child(const char *key, const char *reason) {
    gm_failed_child *child = APPEND(gm_recorder.failed_children);
    child->key = key;
    child->reason = reason;
}
