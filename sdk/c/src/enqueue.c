/* Adds jobs, and reads what this job's children have come to. */
#include "host.h"

static gm_error name_of(const char *what, const char *text, const char **name) {
    *name = text;
    return text == NULL ? gm_works : gm_check_name(what, text);
}

/* A job with its JSON written. */
static gm_error prepare(const gm_new_job *job, host_job *out) {
    host_job none = {NULL, NULL, NULL, {NULL, 0}, {NULL, 0}, GM_NONE, false};
    *out = none;
    gm_error error = gm_check_name("the job's name", job->name);
    if (error.kind == GM_OK) error = name_of("the job's queue", job->queue, &out->queue);
    if (error.kind == GM_OK) error = name_of("the job's unique key", job->unique_key, &out->unique_key);
    if (error.kind == GM_OK) error = gm_written(job->data, &out->data);
    if (error.kind == GM_OK && job->options != NULL) error = gm_written(job->options, &out->options);
    if (error.kind != GM_OK) {
        return gm_refused(GM_ENQUEUE, GM_ERROR_INVALID, 0, gm_join("a job to add: ", error.message, NULL));
    }
    out->name = job->name;
    out->child = job->child;
    if (job->delay_ms > 0) out->delay_ms = job->delay_ms;
    return gm_works;
}

gm_error gm_enqueue_submit(const gm_new_job *job, gm_added *added) {
    host_job prepared;
    gm_added found = {NULL, false};
    gm_error error = prepare(job, &prepared);
    if (error.kind == GM_OK) error = host_submit(&prepared, &found);
    if (added != NULL) *added = found;
    return error;
}

gm_error gm_enqueue_submit_many(const gm_new_job *jobs, size_t count, const gm_added **added) {
    host_job *prepared = (host_job *)gm_alloc(count * sizeof *prepared);
    gm_added *found = (gm_added *)gm_alloc(count * sizeof *found);
    gm_error error = gm_works;
    for (size_t i = 0; i < count && error.kind == GM_OK; i++) error = prepare(&jobs[i], &prepared[i]);
    if (error.kind == GM_OK) error = host_submit_many(prepared, count, found);
    if (added != NULL) *added = error.kind == GM_OK ? found : NULL;
    return error;
}

gm_error gm_enqueue_children(const gm_child **children, size_t *count) {
    const host_child *given = NULL;
    *children = NULL;
    *count = 0;
    size_t there = 0;
    gm_error error = host_children(&given, &there);
    if (error.kind != GM_OK) return error;
    gm_child *read = (gm_child *)gm_alloc(there * sizeof *read);
    for (size_t i = 0; i < there; i++) {
        read[i].key = given[i].key;
        const char *what = gm_join("the result of child `", given[i].key, "`", NULL);
        error = gm_read_value(GM_ENQUEUE, what, given[i].value, &read[i].value);
        if (error.kind != GM_OK) return error;
    }
    *children = read;
    *count = there;
    return error;
}

gm_error gm_enqueue_failed_children(const gm_failed_child **children, size_t *count) {
    *children = NULL;
    *count = 0;
    return host_failed_children(children, count);
}
