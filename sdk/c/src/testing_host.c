/* The host of tests: context, log, progress, metrics, secrets, limiters, breakers and HTTP. */
#include "recorder.h"

#include <stdlib.h>
#include <string.h>

/* How long a limiter or a breaker without room says to wait. */
#define WAIT_MS 1000

uint64_t gm_context_enqueued_at(void) { return gm_recorder.context.enqueued_at_ms; }
uint64_t gm_context_scheduled_at(void) { return gm_recorder.context.scheduled_at_ms; }
uint64_t gm_context_deadline(void) { return gm_recorder.context.deadline_ms; }
uint64_t gm_context_remaining(void) { return gm_recorder.context.remaining_ms; }
bool gm_context_cancelled(void) { return gm_recorder.context.cancelled; }
gm_pairs gm_context_headers(void) { return gm_recorder.context.headers; }
const char *gm_context_traceparent(void) { return gm_recorder.context.traceparent; }
const char *gm_context_tracestate(void) { return gm_recorder.context.tracestate; }
const char *gm_context_digest(void) { return gm_recorder.context.digest; }

const char *gm_context_header(const char *name) {
    gm_pairs headers = gm_recorder.context.headers;
    for (size_t i = 0; i < headers.count; i++) {
        if (gm_same_name(headers.items[i].name, name)) return headers.items[i].value;
    }
    return NULL;
}

/* Pairs whose texts are the recorder's own. */
static gm_pairs copy_of(gm_pairs pairs) {
    gm_pair *items = (gm_pair *)gm_alloc(pairs.count * sizeof *items);
    for (size_t i = 0; i < pairs.count; i++) {
        items[i].name = gm_join(pairs.items[i].name, NULL);
        items[i].value = gm_join(pairs.items[i].value, NULL);
    }
    gm_pairs copy = {items, pairs.count};
    return copy;
}

bool gm_log_enabled(gm_level level) {
    (void)level;
    return true;
}

void host_log(gm_level level, const char *message, gm_pairs fields) {
    gm_test_line *line = APPEND(gm_recorder.logs);
    line->level = level;
    line->message = gm_join(message, NULL);
    line->fields = copy_of(fields);
}

static void show_progress(gm_bytes json) { *APPEND(gm_recorder.progress) = gm_copy((const char *)json.ptr, json.len); }

/* The whole percentage, without a product that overflows. */
static uint64_t percent(uint64_t done, uint64_t total) {
    if (done >= total) return 100;
    return total > UINT64_MAX / 100 ? done / (total / 100) : done * 100 / total;
}

void host_progress_report(uint64_t done, uint64_t total, const char *message) {
    gm_writer *w = gm_writer_new();
    gm_bytes json;
    if (total != GM_NONE && message == NULL) {
        gm_put_uint(w, percent(done, total));
    } else {
        gm_put_uint(gm_key(gm_begin_object(w), "done"), done);
        if (total != GM_NONE) gm_put_uint(gm_key(w, "total"), total);
        if (message != NULL) gm_put_string(gm_key(w, "message"), message);
        gm_end_object(w);
    }
    gm_written(w, &json);
    show_progress(json);
}

gm_error host_progress_set(gm_bytes json) {
    show_progress(json);
    return gm_works;
}

static void record(gm_test_metric_kind kind, const char *name, double value, gm_pairs labels) {
    gm_test_metric *metric = APPEND(gm_recorder.metrics);
    metric->kind = kind;
    metric->name = gm_join(name, NULL);
    metric->value = value;
    metric->labels = copy_of(labels);
}

void host_counter(const char *name, uint64_t value, gm_pairs labels) {
    record(GM_TEST_COUNTER, name, (double)value, labels);
}

void host_gauge(const char *name, double value, gm_pairs labels) { record(GM_TEST_GAUGE, name, value, labels); }

void host_histogram(const char *name, double value, gm_pairs labels) { record(GM_TEST_HISTOGRAM, name, value, labels); }

/* What was set last for a name; NULL for nothing. */
static setting *find(setting *items, size_t count, const char *name) {
    for (size_t i = count; i > 0; i--) {
        if (strcmp(items[i - 1].name, name) == 0) return &items[i - 1];
    }
    return NULL;
}

gm_error host_secret(const char *name, const char **value) {
    setting *secret = find(gm_recorder.secrets.items, gm_recorder.secrets.count, name);
    if (secret == NULL) return gm_refused(GM_SECRETS, GM_ERROR_DENIED, 0, NULL);
    *value = secret->text;
    return gm_works;
}

gm_error host_try_acquire(const char *limiter, const char *key, uint32_t cost) {
    setting *known = find(gm_recorder.limiters.items, gm_recorder.limiters.count, limiter);
    (void)key;
    if (known == NULL) return gm_refused(GM_LIMITERS, GM_ERROR_DENIED, 0, NULL);
    if (known->number < cost) return gm_refused(GM_LIMITERS, GM_ERROR_LIMITED, WAIT_MS, NULL);
    known->number -= cost;
    return gm_works;
}

gm_error host_acquire(const char *limiter, const char *key, uint32_t cost, uint64_t max_wait_ms, uint64_t *waited_ms) {
    (void)max_wait_ms;
    *waited_ms = 0;
    return host_try_acquire(limiter, key, cost);
}

gm_error host_enter(const char *breaker, const char *key, int32_t *handle) {
    setting *known = find(gm_recorder.breakers.items, gm_recorder.breakers.count, breaker);
    (void)key;
    *handle = 0;
    if (known == NULL) return gm_refused(GM_BREAKERS, GM_ERROR_DENIED, 0, NULL);
    return known->number == 1 ? gm_works : gm_refused(GM_BREAKERS, GM_ERROR_OPEN, WAIT_MS, NULL);
}

void host_complete(const gm_permit *permit, gm_outcome outcome) {
    gm_test_guarded *guarded = APPEND(gm_recorder.guarded);
    guarded->breaker = permit->breaker;
    guarded->outcome = outcome;
}

void host_drop(const gm_permit *permit) { host_complete(permit, GM_FAILURE); }

static gm_http_request copy_of_request(const gm_http_request *request) {
    gm_http_request copy = *request;
    copy.url = gm_join(request->url, NULL);
    copy.headers = copy_of(request->headers);
    copy.body.ptr = (const uint8_t *)gm_copy((const char *)request->body.ptr, request->body.len);
    return copy;
}

gm_error host_http_open(const gm_http_request *request, const gm_url *url, gm_http_response *response,
                        gm_http_stream *stream) {
    *APPEND(gm_recorder.requests) = copy_of_request(request);
    if (gm_recorder.answered == gm_recorder.answers.count) {
        return gm_http_refused(GM_ERROR_FAILED, url->authority, "the test gave no answer; see `gm_test_answer`");
    }
    answer *given = &gm_recorder.answers.items[gm_recorder.answered++];
    if (given->kind != GM_OK) return gm_http_refused(given->kind, url->authority, "the test says so");
    response->status = given->response.status;
    response->headers = given->response.headers;
    gm_bytes *left = (gm_bytes *)gm_alloc(sizeof *left);
    *left = given->response.body;
    stream->own = left;
    return gm_works;
}

/* Pieces are small, so that handlers that read by pieces are tested with several. */
gm_error host_http_read(gm_http_stream *stream, uint8_t **ptr, size_t *len) {
    gm_bytes *left = (gm_bytes *)stream->own;
    *len = left->len < 7 ? left->len : 7;
    *ptr = NULL;
    if (*len == 0) return gm_works;
    *ptr = (uint8_t *)malloc(*len);
    if (*ptr == NULL) abort();
    memcpy(*ptr, left->ptr, *len);
    left->ptr += *len;
    left->len -= *len;
    return gm_works;
}

void host_http_close(gm_http_stream *stream) { stream->own = NULL; }
