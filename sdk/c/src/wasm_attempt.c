/* The real host: context, log, progress and metrics. */
#include "wasm_bindings.h"

gristmill_job_types_attributes_t gm_lent_pairs(gm_pairs pairs) {
    worker_tuple2_string_string_t *items = gm_alloc(pairs.count * sizeof *items);
    for (size_t i = 0; i < pairs.count; i++) {
        items[i].f0 = lent(pairs.items[i].name);
        items[i].f1 = lent(pairs.items[i].value);
    }
    gristmill_job_types_attributes_t list = {items, pairs.count};
    return list;
}

gm_pairs gm_taken_pairs(gristmill_job_types_attributes_t list) {
    gm_pair *items = gm_alloc(list.len * sizeof *items);
    for (size_t i = 0; i < list.len; i++) {
        items[i].name = taken(list.ptr[i].f0);
        items[i].value = taken(list.ptr[i].f1);
    }
    if (list.len > 0) gm_adopt(list.ptr);
    gm_pairs pairs = {items, list.len};
    return pairs;
}

static const char *maybe_taken(bool found, const worker_string_t *text) { return found ? taken(*text) : NULL; }

uint64_t gm_context_enqueued_at(void) { return gristmill_job_context_enqueued_at(); }
uint64_t gm_context_scheduled_at(void) { return gristmill_job_context_scheduled_at(); }
bool gm_context_cancelled(void) { return gristmill_job_context_cancelled(); }

uint64_t gm_context_deadline(void) {
    uint64_t time;
    return gristmill_job_context_deadline(&time) ? time : GM_NONE;
}

uint64_t gm_context_remaining(void) {
    uint64_t time;
    return gristmill_job_context_remaining(&time) ? time : GM_NONE;
}

const char *gm_context_header(const char *name) {
    worker_string_t wanted = lent(gm_for_people(name)), value;
    return maybe_taken(gristmill_job_context_header(&wanted, &value), &value);
}

gm_pairs gm_context_headers(void) {
    gristmill_job_types_attributes_t list;
    gristmill_job_context_headers(&list);
    return gm_taken_pairs(list);
}

const char *gm_context_traceparent(void) {
    worker_string_t value;
    return maybe_taken(gristmill_job_context_traceparent(&value), &value);
}

const char *gm_context_tracestate(void) {
    worker_string_t value;
    return maybe_taken(gristmill_job_context_tracestate(&value), &value);
}

const char *gm_context_digest(void) {
    worker_string_t value;
    gristmill_job_context_digest(&value);
    return taken(value);
}

/* The levels have the same order. A number that is none of them would end the instance. */
static gristmill_job_log_level_t level_of(gm_level level) {
    return (unsigned)level > GM_LOG_ERROR ? GM_LOG_ERROR : (gristmill_job_log_level_t)level;
}

bool gm_log_enabled(gm_level level) { return gristmill_job_log_enabled(level_of(level)); }

void host_log(gm_level level, const char *message, gm_pairs fields) {
    worker_string_t text = lent(message);
    gristmill_job_log_attributes_t list = gm_lent_pairs(fields);
    gristmill_job_log_write(level_of(level), &text, &list);
}

void host_progress_report(uint64_t done, uint64_t total, const char *message) {
    worker_string_t text = lent(message == NULL ? "" : message);
    gristmill_job_progress_report(done, maybe_time(&total), message == NULL ? NULL : &text);
}

static gm_error progress_end(bool done, worker_string_t why) {
    return done ? gm_works : gm_refused(GM_PROGRESS, GM_ERROR_UNAVAILABLE, 0, taken(why));
}

gm_error host_progress_set(gm_bytes json) {
    worker_list_u8_t list = lent_bytes(json);
    worker_string_t why = {NULL, 0};
    bool done = gristmill_job_progress_set(&list, &why);
    return progress_end(done, why);
}

gm_error host_save_checkpoint(gm_bytes json) {
    worker_list_u8_t list = lent_bytes(json);
    worker_string_t why = {NULL, 0};
    bool done = gristmill_job_progress_save_checkpoint(&list, &why);
    return progress_end(done, why);
}

gm_error host_load_checkpoint(bool *found, gm_bytes *json) {
    worker_option_list_u8_t value = {false, {NULL, 0}};
    worker_string_t why = {NULL, 0};
    bool done = gristmill_job_progress_load_checkpoint(&value, &why);
    *found = done && value.is_some;
    if (*found) *json = taken_bytes(value.val);
    return progress_end(done, why);
}

gm_error host_update_data(gm_bytes json) {
    worker_list_u8_t list = lent_bytes(json);
    worker_string_t why = {NULL, 0};
    bool done = gristmill_job_progress_update_data(&list, &why);
    return progress_end(done, why);
}

void host_counter(const char *name, uint64_t value, gm_pairs labels) {
    worker_string_t text = lent(name);
    gristmill_job_metrics_attributes_t list = gm_lent_pairs(labels);
    gristmill_job_metrics_counter_add(&text, value, &list);
}

void host_gauge(const char *name, double value, gm_pairs labels) {
    worker_string_t text = lent(name);
    gristmill_job_metrics_attributes_t list = gm_lent_pairs(labels);
    gristmill_job_metrics_gauge_set(&text, value, &list);
}

void host_histogram(const char *name, double value, gm_pairs labels) {
    worker_string_t text = lent(name);
    gristmill_job_metrics_attributes_t list = gm_lent_pairs(labels);
    gristmill_job_metrics_histogram_record(&text, value, &list);
}
