/* The steps that ask the host's services. */
#include <stdlib.h>
#include <string.h>

#include "guest.h"

static gm_writer *value_at(call *c, const char *key) { return gm_put_json(gm_writer_new(), gm_json_get(c->step, key)); }

/* An object of texts as pairs. */
static gm_pairs pairs_at(call *c, const gm_json *holder, const char *key) {
    const gm_json *object = gm_json_get(holder, key);
    size_t count = gm_json_count(object);
    gm_pair *items = gm_alloc(count * sizeof *items);
    for (size_t i = 0; i < count; i++) {
        const gm_json *member = gm_json_at(object, i);
        items[i].name = gm_json_key(member);
        items[i].value = gm_need_string(member, NULL, &c->misfit);
    }
    gm_pairs pairs = {items, count};
    return pairs;
}

static gm_level level_of(call *c) {
    static const char *const names[] = {"trace", "debug", "info", "warn", "error"};
    const char *name = text_at(c, "level");
    for (int i = 0; i < 5; i++) {
        if (strcmp(names[i], name) == 0) return (gm_level)i;
    }
    gm_misfit_at(&c->misfit, gm_json_get(c->step, "level"), "there is no such level");
    return GM_LOG_INFO;
}

static gm_error log_line(call *c) {
    gm_log_write(level_of(c), text_at(c, "message"), pairs_at(c, c->step, "fields"));
    return null_after(c, (gm_error){0});
}

static gm_error log_enabled(call *c) {
    gm_put_bool(c->out, gm_log_enabled(level_of(c)));
    return (gm_error){0};
}

static gm_error progress(call *c) {
    uint64_t done = (uint64_t)gm_need_int(c->step, "done", 0, INT64_MAX, &c->misfit), total = time_of(c, "total");
    const char *message = gm_maybe_string(c->step, "message", NULL, &c->misfit);
    if (message == NULL) {
        gm_progress_report(done, total);
    } else {
        gm_progress_report_with(done, total, message);
    }
    return null_after(c, (gm_error){0});
}

static gm_error progress_set(call *c) { return null_after(c, gm_progress_set(value_at(c, "value"))); }
static gm_error save_checkpoint(call *c) { return null_after(c, gm_progress_save_checkpoint(value_at(c, "value"))); }
static gm_error update_data(call *c) { return null_after(c, gm_progress_update_data(value_at(c, "value"))); }

static gm_error load_checkpoint(call *c) {
    const gm_json *value;
    gm_error error = gm_progress_load_checkpoint(&value);
    if (error.kind == GM_OK) gm_put_json(c->out, value);
    return error;
}

static gm_error counter(call *c) {
    uint64_t value = (uint64_t)gm_need_int(c->step, "value", 0, INT64_MAX, &c->misfit);
    gm_metrics_counter(text_at(c, "name"), value, pairs_at(c, c->step, "labels"));
    return null_after(c, (gm_error){0});
}

static gm_error gauge(call *c) {
    double value = gm_need_double(c->step, "value", &c->misfit);
    gm_metrics_gauge(text_at(c, "name"), value, pairs_at(c, c->step, "labels"));
    return null_after(c, (gm_error){0});
}

static gm_error histogram(call *c) {
    double value = gm_need_double(c->step, "value", &c->misfit);
    gm_metrics_histogram(text_at(c, "name"), value, pairs_at(c, c->step, "labels"));
    return null_after(c, (gm_error){0});
}

static gm_new_job new_job(call *c, const gm_json *job) {
    const gm_json *options = gm_json_get(job, "options");
    gm_new_job out = {
        .name = gm_need_string(job, "name", &c->misfit),
        .data = gm_put_json(gm_writer_new(), gm_json_get(job, "data")),
        .queue = gm_maybe_string(job, "queue", NULL, &c->misfit),
        .delay_ms = (uint64_t)gm_maybe_int(job, "delay", 0, INT64_MAX, 0, &c->misfit),
        .unique_key = gm_maybe_string(job, "uniqueKey", NULL, &c->misfit),
        .child = gm_maybe_bool(job, "child", false, &c->misfit),
        .options = options == NULL ? NULL : gm_put_json(gm_writer_new(), options),
    };
    return out;
}

static void put_added(gm_writer *out, gm_added added) {
    gm_put_string(gm_key(gm_begin_object(out), "id"), added.id);
    gm_end_object(gm_put_bool(gm_key(out, "existing"), added.existing));
}

static gm_error enqueue(call *c) {
    gm_added added;
    gm_new_job job = new_job(c, gm_need_object(c->step, "job", &c->misfit));
    gm_error error = gm_enqueue_submit(&job, &added);
    if (error.kind == GM_OK) put_added(c->out, added);
    return error;
}

static gm_error enqueue_many(call *c) {
    const gm_json *jobs = gm_need_array(c->step, "jobs", &c->misfit);
    size_t count = gm_json_count(jobs);
    gm_new_job *list = gm_alloc(count * sizeof *list);
    for (size_t i = 0; i < count; i++) list[i] = new_job(c, gm_json_at(jobs, i));
    const gm_added *added;
    gm_error error = gm_enqueue_submit_many(list, count, &added);
    if (error.kind != GM_OK) return error;
    gm_begin_array(c->out);
    for (size_t i = 0; i < count; i++) put_added(c->out, added[i]);
    gm_end_array(c->out);
    return error;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Puts values in the order of their JSON text. */
static gm_error put_sorted(call *c, const char **texts, size_t count) {
    gm_error error = {0};
    qsort(texts, count, sizeof *texts, by_text);
    gm_begin_array(c->out);
    for (size_t i = 0; i < count && error.kind == GM_OK; i++) {
        const gm_json *value;
        error = gm_json_parse(gm_bytes_of(texts[i]), &value);
        gm_put_json(c->out, value);
    }
    gm_end_array(c->out);
    return error;
}

static gm_error children(call *c) {
    const gm_child *list;
    size_t count;
    gm_error error = gm_enqueue_children(&list, &count);
    const char **texts = gm_alloc(count * sizeof *texts);
    for (size_t i = 0; i < count && error.kind == GM_OK; i++) {
        gm_bytes json;
        error = gm_written(gm_put_json(gm_writer_new(), list[i].value), &json);
        texts[i] = gm_copy((const char *)json.ptr, json.len);
    }
    return error.kind == GM_OK ? put_sorted(c, texts, count) : error;
}

static gm_error failed_children(call *c) {
    const gm_failed_child *list;
    size_t count;
    gm_error error = gm_enqueue_failed_children(&list, &count);
    const char **texts = gm_alloc(count * sizeof *texts);
    for (size_t i = 0; i < count && error.kind == GM_OK; i++) {
        gm_bytes json;
        error = gm_written(gm_put_string(gm_writer_new(), list[i].reason), &json);
        texts[i] = gm_copy((const char *)json.ptr, json.len);
    }
    return error.kind == GM_OK ? put_sorted(c, texts, count) : error;
}

static gm_error state_get(call *c) {
    const gm_json *value;
    gm_error error = gm_state_get(text_at(c, "key"), &value);
    if (error.kind == GM_OK) gm_put_json(c->out, value);
    return error;
}

static gm_error state_set(call *c) {
    return null_after(c, gm_state_set(text_at(c, "key"), value_at(c, "value"), time_of(c, "ttl")));
}

static gm_error state_delete(call *c) {
    bool existed;
    gm_error error = gm_state_delete(text_at(c, "key"), &existed);
    if (error.kind == GM_OK) gm_put_bool(c->out, existed);
    return error;
}

static gm_error state_increment(call *c) {
    int64_t sum, delta = gm_need_int(c->step, "delta", INT64_MIN, INT64_MAX, &c->misfit);
    gm_error error = gm_state_increment(text_at(c, "key"), delta, time_of(c, "ttl"), &sum);
    if (error.kind == GM_OK) gm_put_int(c->out, sum);
    return error;
}

static gm_error state_compare_and_set(call *c) {
    bool changed;
    const gm_writer *expected = gm_json_get(c->step, "expected") == NULL ? NULL : value_at(c, "expected");
    gm_error error =
        gm_state_compare_and_set(text_at(c, "key"), expected, value_at(c, "value"), time_of(c, "ttl"), &changed);
    if (error.kind == GM_OK) gm_put_bool(c->out, changed);
    return error;
}

static gm_error secret(call *c) {
    const char *value;
    gm_error error = gm_secrets_get(text_at(c, "name"), &value);
    if (error.kind == GM_OK) gm_put_uint(c->out, strlen(value));
    return error;
}

static uint32_t cost_of(call *c) { return (uint32_t)gm_maybe_int(c->step, "cost", 0, UINT32_MAX, 1, &c->misfit); }
static const char *key_of(call *c) { return gm_maybe_string(c->step, "key", "", &c->misfit); }

static gm_error try_acquire(call *c) {
    return null_after(c, gm_rate_limit_try_acquire(text_at(c, "limiter"), key_of(c), cost_of(c)));
}

static gm_error acquire(call *c) {
    uint64_t waited, most = (uint64_t)gm_need_int(c->step, "maxWait", 0, INT64_MAX, &c->misfit);
    gm_error error = gm_rate_limit_acquire(text_at(c, "limiter"), key_of(c), cost_of(c), most, &waited);
    if (error.kind == GM_OK) gm_put_bool(c->out, waited >= 100);
    return error;
}

static gm_error enter(call *c) {
    gm_permit *permit;
    const char *outcome = text_at(c, "outcome");
    gm_error error = gm_circuit_breaker_enter(text_at(c, "breaker"), key_of(c), &permit);
    gm_circuit_breaker_complete(permit, strcmp(outcome, "success") == 0  ? GM_SUCCESS
                                        : strcmp(outcome, "ignore") == 0 ? GM_IGNORE
                                                                         : GM_FAILURE);
    return null_after(c, error);
}

static gm_error http(call *c) {
    gm_http_request request = {
        .method = gm_maybe_string(c->step, "method", NULL, &c->misfit),
        .url = text_at(c, "url"),
        .headers = pairs_at(c, c->step, "headers"),
        .body = gm_bytes_of(gm_maybe_string(c->step, "body", "", &c->misfit)),
    };
    gm_http_response response;
    gm_error error = gm_http_send(&request, &response);
    if (error.kind != GM_OK) return error;
    gm_put_uint(gm_key(gm_begin_object(c->out), "status"), response.status);
    gm_put_string_of(gm_key(c->out, "body"), (const char *)response.body.ptr, response.body.len);
    gm_put_string(gm_key(c->out, "header"), gm_http_header(&response, "x-answer"));
    gm_end_object(c->out);
    return error;
}

static gm_error http_stream(call *c) {
    gm_http_request request = {.url = text_at(c, "url")};
    gm_http_response response;
    gm_http_stream *stream;
    gm_bytes piece = {NULL, 1};
    uint64_t length = 0;
    gm_error error = gm_http_open(&request, &response, &stream);
    while (error.kind == GM_OK && piece.len > 0) {
        error = gm_http_read(stream, &piece);
        length += piece.len;
    }
    if (error.kind == GM_OK) gm_put_uint(c->out, length);
    return error;
}

operation *service_of(const char *name) {
    static const struct {
        const char *name;
        operation *run;
    } services[] = {
        {"log", log_line},
        {"logEnabled", log_enabled},
        {"progress", progress},
        {"progressSet", progress_set},
        {"saveCheckpoint", save_checkpoint},
        {"loadCheckpoint", load_checkpoint},
        {"updateData", update_data},
        {"counter", counter},
        {"gauge", gauge},
        {"histogram", histogram},
        {"enqueue", enqueue},
        {"enqueueMany", enqueue_many},
        {"children", children},
        {"failedChildren", failed_children},
        {"stateGet", state_get},
        {"stateSet", state_set},
        {"stateDelete", state_delete},
        {"stateIncrement", state_increment},
        {"stateCompareAndSet", state_compare_and_set},
        {"secret", secret},
        {"tryAcquire", try_acquire},
        {"acquire", acquire},
        {"enter", enter},
        {"http", http},
        {"httpStream", http_stream},
    };
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        if (strcmp(services[i].name, name) == 0) return services[i].run;
    }
    return NULL;
}
