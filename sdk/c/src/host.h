/* What the host offers, as `wasm_*.c` ask it in a component and `testing*.c` play it in a test. The functions of
 * the context and gm_log_enabled are theirs as well. Texts are UTF-8, and are only borrowed; what is given back lives
 * as long as the job. */
#ifndef GM_HOST_H
#define GM_HOST_H

#include "internal.h"

void host_log(gm_level level, const char *message, gm_pairs fields);

/* `message` may be NULL. */
void host_progress_report(uint64_t done, uint64_t total, const char *message);
gm_error host_progress_set(gm_bytes json);
gm_error host_save_checkpoint(gm_bytes json);
gm_error host_load_checkpoint(bool *found, gm_bytes *json);
gm_error host_update_data(gm_bytes json);

void host_counter(const char *name, uint64_t value, gm_pairs labels);
void host_gauge(const char *name, double value, gm_pairs labels);
void host_histogram(const char *name, double value, gm_pairs labels);

/* A new job with its JSON written. `options` is empty for none. */
typedef struct host_job {
    const char *name, *queue, *unique_key; /* The last two may be NULL. */
    gm_bytes data, options;
    uint64_t delay_ms; /* GM_NONE for none. */
    bool child;
} host_job;

/* A child as the host gives it. */
typedef struct host_child {
    const char *key;
    gm_bytes value;
} host_child;

/* `added` has room for `count`. */
gm_error host_submit(const host_job *job, gm_added *added);
gm_error host_submit_many(const host_job *jobs, size_t count, gm_added *added);
gm_error host_children(const host_child **children, size_t *count);
gm_error host_failed_children(const gm_failed_child **children, size_t *count);

gm_error host_state_get(const char *key, bool *found, gm_bytes *json);
gm_error host_state_set(const char *key, gm_bytes json, uint64_t ttl_ms);
gm_error host_state_delete(const char *key, bool *existed);
gm_error host_state_increment(const char *key, int64_t delta, uint64_t ttl_ms, int64_t *sum);
/* `expected` is NULL for none. */
gm_error host_state_compare_and_set(const char *key, const gm_bytes *expected, gm_bytes json, uint64_t ttl_ms,
                                    bool *changed);

gm_error host_secret(const char *name, const char **value);

gm_error host_try_acquire(const char *limiter, const char *key, uint32_t cost);
gm_error host_acquire(const char *limiter, const char *key, uint32_t cost, uint64_t max_wait_ms, uint64_t *waited_ms);

struct gm_permit {
    gm_open open; /* First: its closer gets the permit by it. */
    int32_t handle;
    const char *breaker;
};

gm_error host_enter(const char *breaker, const char *key, int32_t *handle);
void host_complete(const gm_permit *permit, gm_outcome outcome);
void host_drop(const gm_permit *permit);

/* The parts of a URL. */
typedef struct gm_url {
    bool tls;
    const char *authority; /* Host and, if given, port. */
    const char *path;      /* Path and query; at least `/`. */
} gm_url;

/* What is wrong with a URL, or NULL. */
const char *gm_url_parse(const char *text, gm_url *url);

/* Errors of HTTP. `host` is an authority; `detail` what is wrong, in words. */
gm_error gm_http_refused(gm_error_kind kind, const char *host, const char *detail);

struct gm_http_stream {
    gm_open open; /* First: its closer gets the stream by it. */
    const char *host;
    size_t left; /* Bytes that are still accepted. */
    size_t max;
    void *piece; /* The last piece, memory of malloc; NULL for none. */
    void *own;   /* The host's. */
};

/* Sends; on GM_OK the stream gives the body. The request is checked. */
gm_error host_http_open(const gm_http_request *request, const gm_url *url, gm_http_response *response,
                        gm_http_stream *stream);
/* The next bytes in memory of malloc, for the caller to free; none at the end. */
gm_error host_http_read(gm_http_stream *stream, uint8_t **ptr, size_t *len);
void host_http_close(gm_http_stream *stream);

#endif
