/*
 * Tests of handlers without WebAssembly, on the machine that builds them: a host that remembers what a handler said,
 * and answers what the test has set.
 *
 *     #include <gristmill_testing.h>
 *     #include <assert.h>
 *
 *     int main(void) {
 *         gm_test_begin();
 *         gm_result end = gm_test_call(gm_handler, gm_test_job("{\"name\":\"Ada\"}"));
 *         assert(gm_test_same(end.value, "\"Hello Ada\""));
 *         assert(gm_test_take().log_count == 1);
 *         gm_test_end();
 *         return 0;
 *     }
 *
 * Whatever is given here lives until gm_test_begin or gm_test_end. One thread.
 */
#ifndef GRISTMILL_TESTING_H
#define GRISTMILL_TESTING_H

#include <gristmill.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Starts a test: nothing is recorded, nothing is set, and all memory from before is freed. */
void gm_test_begin(void);
/* The same, for the end of a program: a leak checker finds nothing then. */
void gm_test_end(void);

/* A first attempt of three, of job `1` named `test` in queue `test`, with this data. Its fields can be changed. The
 * texts are not copied. */
gm_job *gm_test_job(const char *json);

/* Calls a handler as the host does: with the job's data parsed, and what it left open closed. A value that the host
 * would not take becomes a permanent error. */
gm_result gm_test_call(gm_result (*handler)(const gm_job *job), gm_job *job);

/* Whether bytes are this text. */
bool gm_test_same(gm_bytes bytes, const char *text);

/* A line of the log. */
typedef struct gm_test_line {
    gm_level level;
    const char *message; /* Without fields. */
    gm_pairs fields;
} gm_test_line;

typedef enum gm_test_metric_kind { GM_TEST_COUNTER, GM_TEST_GAUGE, GM_TEST_HISTOGRAM } gm_test_metric_kind;

/* A metric record. */
typedef struct gm_test_metric {
    gm_test_metric_kind kind;
    const char *name;
    double value; /* Amount added, value set or value observed. */
    gm_pairs labels;
} gm_test_metric;

/* A job that was added. */
typedef struct gm_test_added {
    const char *name;
    const char *data;       /* JSON text. */
    const char *queue;      /* NULL: the job's own. */
    uint64_t delay_ms;      /* GM_NONE for none. */
    const char *unique_key; /* NULL for none. */
    bool child;
    const char *options; /* JSON text; NULL for none. */
} gm_test_added;

/* A call that a breaker let pass. */
typedef struct gm_test_guarded {
    const char *breaker;
    gm_outcome outcome;
} gm_test_guarded;

/* Everything that handlers told the host since it was last taken, in its order. */
typedef struct gm_test_records {
    const gm_test_line *logs; /* Without what went to stdout. */
    size_t log_count;
    const char *const *progress; /* As BullMQ would show it, JSON text. */
    size_t progress_count;
    const gm_test_metric *metrics;
    size_t metric_count;
    const gm_http_request *requests;
    size_t request_count;
    const gm_test_added *enqueued; /* Their ids are `added-1` and so on. */
    size_t enqueued_count;
    const char *const *data; /* What replaced the job's data, JSON text. */
    size_t data_count;
    const gm_test_guarded *guarded;
    size_t guarded_count;
} gm_test_records;

/* What was recorded so far; the next records start from nothing. */
gm_test_records gm_test_take(void);

/* What the context tells. Start from GM_TEST_CONTEXT. */
typedef struct gm_test_context {
    uint64_t enqueued_at_ms;
    uint64_t scheduled_at_ms;
    uint64_t deadline_ms;  /* GM_NONE for none. */
    uint64_t remaining_ms; /* GM_NONE for none. */
    bool cancelled;
    gm_pairs headers;
    const char *traceparent;
    const char *tracestate;
    const char *digest;
} gm_test_context;

/* A context in which nothing was set. */
#define GM_TEST_CONTEXT {0, 0, GM_NONE, GM_NONE, false, {NULL, 0}, NULL, NULL, ""}

/* Sets what the context tells from now on. The texts are not copied, here and below. */
void gm_test_set_context(gm_test_context context);
/* Answers the next HTTP request that has no answer yet; a request without an answer fails. */
void gm_test_answer(uint16_t status, gm_pairs headers, const char *body);
/* Lets the next HTTP request that has no answer yet fail with this kind. */
void gm_test_answer_error(gm_error_kind kind);
/* Whether the services that need Redis (enqueue, state, checkpoints) answer; at first they do. */
void gm_test_set_services(bool there);
/* Allows a secret, with this value. */
void gm_test_set_secret(const char *name, const char *value);
/* Allows a limiter, with so many units left; a test has no time in which they come back. */
void gm_test_set_limiter(const char *name, uint32_t units);
/* Allows a breaker, closed or open. */
void gm_test_set_breaker(const char *name, bool closed);
/* Adds a child of the job that has completed: BullMQ's key, and what it returned as JSON text. */
void gm_test_add_child(const char *key, const char *json);
/* Adds a child that has failed: BullMQ's key, and why. */
void gm_test_add_failed_child(const char *key, const char *reason);

#ifdef __cplusplus
}
#endif

#endif
