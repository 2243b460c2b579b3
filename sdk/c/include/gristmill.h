/*
 * Gristmill SDK for C: handlers of BullMQ jobs, each in its own WebAssembly sandbox.
 *
 * A project defines one function, `gm_handler`. The SDK parses the job's data, calls it, and gives its end to the host.
 *
 *     #include <gristmill.h>
 *
 *     gm_result gm_handler(const gm_job *job) {
 *         gm_misfit misfit = {0};
 *         const char *name = gm_need_string(job->data, "name", &misfit);
 *         if (misfit.message) return gm_bad_data(&misfit);
 *         gm_log_info("greeting", "name", name, NULL);
 *         return gm_value(gm_put_string(gm_writer_new(), gm_format("Hello %s", name)));
 *     }
 *
 * Memory: whatever the SDK hands out lives until the job has ended and is freed by the SDK then. A handler frees
 * nothing that came from here, and keeps nothing of it for the next job. What a handler passes in is its own and is
 * needed only during the call, except where a comment says otherwise. Memory that cannot be had ends the instance, and
 * the host says that the job's memory was used up.
 *
 * Texts are UTF-8 and end with a NUL. Bytes that are not UTF-8 become U+FFFD in texts for people, and are an error in
 * keys and names. Times are milliseconds. One thread.
 */
#ifndef GRISTMILL_H
#define GRISTMILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define GM_LIKE_PRINTF(at, first) __attribute__((format(printf, at, first)))
#define GM_ENDS_WITH_NULL __attribute__((sentinel))
#else
#define GM_LIKE_PRINTF(at, first)
#define GM_ENDS_WITH_NULL
#endif

/* No time, no total: where a number of type uint64_t may be left out. */
#define GM_NONE UINT64_MAX

/* ---------------------------------------------------------------------------------------------------------- Values */

/* Bytes that somebody else owns; `ptr` may be NULL when `len` is 0. */
typedef struct gm_bytes {
    const uint8_t *ptr;
    size_t len;
} gm_bytes;

/* A name and a value: a header, a field of a log line, a label. */
typedef struct gm_pair {
    const char *name;
    const char *value;
} gm_pair;

/* Pairs in order, owned by somebody else. */
typedef struct gm_pairs {
    const gm_pair *items;
    size_t count;
} gm_pairs;

/* Pairs of texts, `gm_pairs_of("kind", "a", "size", "7", NULL)`; NULL alone makes none. Copies the list, not the
 * texts. */
gm_pairs gm_pairs_of(const char *name, ...);

/* The bytes of a text, without its NUL. Copies nothing. */
gm_bytes gm_bytes_of(const char *text);

/* Zeroed memory for the rest of the job, aligned for any type. Never NULL. */
void *gm_alloc(size_t bytes);

/* A copy of `length` bytes with a NUL after them, for the rest of the job. Never NULL. */
char *gm_copy(const char *text, size_t length);

/* A text for the rest of the job, as printf makes it from `%s`, `%c`, `%d`, `%i`, `%u`, `%x`, `%g` (the shortest form
 * of a double) and `%%`, with a width, zeros in front, `l`, `ll` and `z`, and with a precision for `%s`. Other
 * conversions are not known: use snprintf. It brings no files of libc. */
const char *gm_format(const char *format, ...) GM_LIKE_PRINTF(1, 2);

/* A number as text, for the rest of the job. */
const char *gm_text_of_int(int64_t number);
const char *gm_text_of_uint(uint64_t number);

/* The shortest text that reads back as the same number. Not finite: `null`. */
const char *gm_text_of_double(double number);

/* ---------------------------------------------------------------------------------------------------------- Errors */

/* What a call came to. The names of services' errors are those of the contract. */
typedef enum gm_error_kind {
    GM_OK = 0,
    GM_ERROR_LIMITED,         /* A limiter has no room for `retry_after_ms`. */
    GM_ERROR_OPEN,            /* A breaker is open for `retry_after_ms`. */
    GM_ERROR_UNKNOWN_LIMITER, /* The worker's configuration has no limiter of this name. */
    GM_ERROR_UNKNOWN_BREAKER, /* The worker's configuration has no breaker of this name. */
    GM_ERROR_DENIED,          /* The job type does not allow it. */
    GM_ERROR_INVALID,         /* An argument breaks a rule, a value is not JSON, or not what was asked for. */
    GM_ERROR_TOO_LARGE,       /* A value, or the body of a response, is larger than it may be. */
    GM_ERROR_QUOTA_EXCEEDED,  /* The job type or the attempt has used up what it may. */
    GM_ERROR_UNAVAILABLE,     /* The service did not answer: whether something was changed is not known. */
    GM_ERROR_URL,             /* HTTP: the URL cannot be requested. */
    GM_ERROR_HEADER,          /* HTTP: a header cannot be sent. */
    GM_ERROR_TIMEOUT,         /* HTTP: the host took longer than the request's timeout. */
    GM_ERROR_FAILED           /* HTTP: anything else, such as a refused connection. */
} gm_error_kind;

/* What a call came to; `kind` is GM_OK when it worked. On an error what the call would give is zero or NULL. */
typedef struct gm_error {
    gm_error_kind kind;
    bool hopeless;           /* It would come again in every attempt. */
    uint64_t retry_after_ms; /* Of GM_ERROR_LIMITED and GM_ERROR_OPEN, else 0. */
    const char *message;     /* For people; "" when it worked. */
} gm_error;

/* The kind as the contract writes it: `quota-exceeded`; `ok` for GM_OK. */
const char *gm_error_name(gm_error_kind kind);

/* ------------------------------------------------------------------------------------------------------------ JSON */

/* How deep arrays and objects may be in each other, read or written. */
#define GM_JSON_MAX_DEPTH 128
/* Bytes of JSON text that are read or written at most; a job's memory usually ends before. */
#define GM_JSON_MAX_BYTES (256u << 20)

/*
 * A value that was read. Lives as long as the job; never changes.
 *
 * Every function takes NULL and treats it as a value that is not there: it is of no type, has no members and no items.
 * So `gm_json_get(gm_json_at(value, 0), "name")` needs no checks in between.
 */
typedef struct gm_json gm_json;

typedef enum gm_json_type {
    GM_JSON_NOTHING = 0, /* NULL */
    GM_JSON_NULL,
    GM_JSON_BOOL,
    GM_JSON_NUMBER,
    GM_JSON_STRING,
    GM_JSON_ARRAY,
    GM_JSON_OBJECT
} gm_json_type;

/* Reads JSON text; copies what it needs. GM_ERROR_INVALID says at which line and column it is not JSON (RFC 8259), or
 * that it passes a bound above. */
gm_error gm_json_parse(gm_bytes text, const gm_json **value);

gm_json_type gm_json_type_of(const gm_json *value);
bool gm_json_is_null(const gm_json *value);
bool gm_json_is_bool(const gm_json *value);
bool gm_json_is_number(const gm_json *value);
bool gm_json_is_string(const gm_json *value);
bool gm_json_is_array(const gm_json *value);
bool gm_json_is_object(const gm_json *value);

/* A member of an object, the last of this name; NULL if there is none. */
const gm_json *gm_json_get(const gm_json *object, const char *key);

/* How many items an array or members an object has; 0 for others. */
size_t gm_json_count(const gm_json *value);

/* The item of an array or the member of an object at a place from 0, in the order of the text; NULL past the end. */
const gm_json *gm_json_at(const gm_json *value, size_t index);

/* The name of an object's member; NULL for others. It ends at a NUL inside it. */
const char *gm_json_key(const gm_json *member);

/* The text of a string, and its bytes in `length` unless that is NULL. NULL for others; and, without `length`, for a
 * string with a NUL inside, which would be cut. */
const char *gm_json_string(const gm_json *value, size_t *length);

/* True for the value `true` alone. */
bool gm_json_bool(const gm_json *value);

/* A number without fraction or exponent. False, and `*number` as it was, for others and for those that do not fit. */
bool gm_json_int(const gm_json *value, int64_t *number);
bool gm_json_uint(const gm_json *value, uint64_t *number);

/* A number, rounded to the nearest. False, and `*number` as it was, for others and for those over the type's range. */
bool gm_json_double(const gm_json *value, double *number);

/* Where a value is below that which was parsed, `items[1].name`; "" for that itself. */
const char *gm_json_path(const gm_json *value);

/*
 * Reading data of a known form. Each call takes a member of an object, or with a key of NULL the value itself. What
 * does not fit leaves its message in `misfit`, unless there is one from before, and gives 0, "" or NULL: look at the
 * message once, after all calls. Start with `gm_misfit misfit = {0};`.
 */
typedef struct gm_misfit {
    const char *message; /* Such as ``at `items[1]`: expected a string, found 7``; NULL while all fits. */
} gm_misfit;

/* A string without NUL inside. */
const char *gm_need_string(const gm_json *object, const char *key, gm_misfit *misfit);
/* A whole number from `least` to `most`. */
int64_t gm_need_int(const gm_json *object, const char *key, int64_t least, int64_t most, gm_misfit *misfit);
/* A number. */
double gm_need_double(const gm_json *object, const char *key, gm_misfit *misfit);
/* `true` or `false`. */
bool gm_need_bool(const gm_json *object, const char *key, gm_misfit *misfit);
const gm_json *gm_need_array(const gm_json *object, const char *key, gm_misfit *misfit);
const gm_json *gm_need_object(const gm_json *object, const char *key, gm_misfit *misfit);

/* The same for what may be missing or null; `otherwise` is given then. */
const char *gm_maybe_string(const gm_json *object, const char *key, const char *otherwise, gm_misfit *misfit);
int64_t gm_maybe_int(const gm_json *object, const char *key, int64_t least, int64_t most, int64_t otherwise,
                     gm_misfit *misfit);
double gm_maybe_double(const gm_json *object, const char *key, double otherwise, gm_misfit *misfit);
bool gm_maybe_bool(const gm_json *object, const char *key, bool otherwise, gm_misfit *misfit);

/* Says that a value does not fit, in a handler's own words: ``at `PATH`: REASON``. */
void gm_misfit_at(gm_misfit *misfit, const gm_json *value, const char *reason);

/*
 * JSON that is being written. Lives as long as the job. Every function gives the writer back, so that calls nest:
 *
 *     gm_writer *w = gm_begin_object(gm_writer_new());
 *     gm_put_int(gm_key(w, "pages"), 12);
 *     gm_end_object(w);
 *
 * A call that does not make JSON (a member without key, an end without begin, a second value, too deep) is remembered;
 * who takes the writer says what was wrong.
 */
typedef struct gm_writer gm_writer;

gm_writer *gm_writer_new(void);
gm_writer *gm_begin_object(gm_writer *w);
gm_writer *gm_end_object(gm_writer *w);
gm_writer *gm_begin_array(gm_writer *w);
gm_writer *gm_end_array(gm_writer *w);
/* The name of an object's next member. */
gm_writer *gm_key(gm_writer *w, const char *key);
gm_writer *gm_put_null(gm_writer *w);
gm_writer *gm_put_bool(gm_writer *w, bool value);
gm_writer *gm_put_int(gm_writer *w, int64_t value);
gm_writer *gm_put_uint(gm_writer *w, uint64_t value);
/* Not finite: `null`. */
gm_writer *gm_put_double(gm_writer *w, double value);
/* NULL: `null`. */
gm_writer *gm_put_string(gm_writer *w, const char *text);
/* Also with NULs inside. */
gm_writer *gm_put_string_of(gm_writer *w, const char *text, size_t length);
/* A value that was read, with its numbers as they stood; NULL: `null`. */
gm_writer *gm_put_json(gm_writer *w, const gm_json *value);

/* The text, until the writer is used again. GM_ERROR_INVALID if it is not one whole value. */
gm_error gm_written(const gm_writer *w, gm_bytes *json);

/* ------------------------------------------------------------------------------------------------------------- Job */

/* One attempt of a job. Times and headers are functions of the context. */
typedef struct gm_job {
    const char *id;        /* Unique in its queue and the same in every attempt: use it as idempotency key. */
    const char *name;      /* BullMQ's job name. */
    const char *queue;     /* The queue's name without prefix. */
    uint32_t attempt;      /* 1 for the first attempt. */
    uint32_t max_attempts; /* How many attempts the job may have, this one included; at least 1. */
    gm_bytes text;         /* The data as JSON text, exactly as the producer wrote it. */
    const gm_json *data;   /* The data. */
} gm_job;

/* Whether a retryable error of this attempt is final, because no attempt is left. */
bool gm_is_last_attempt(const gm_job *job);

/* The ways in which a job ends. */
typedef enum gm_end {
    GM_END_VALUE = 1,
    GM_END_RETRYABLE,
    GM_END_PERMANENT,
    GM_END_RATE_LIMITED,
    GM_END_DEFERRED,
    GM_END_WAIT_FOR_CHILDREN
} gm_end;

/* An end; made by the functions below. Its texts live as long as the job. */
typedef struct gm_result {
    gm_end end;
    gm_bytes value;      /* Of GM_END_VALUE: JSON text; empty for none. */
    const char *message; /* For people: failure, throttle or reason. At most 8 KiB are kept. */
    const char *code;    /* Of a failure; NULL for none. At most 64 bytes are kept. */
    const char *detail;  /* Of a failure; NULL for none. At most 64 KiB are kept. */
    uint64_t time_ms;    /* Of rate-limited (GM_NONE: by the job's backoff) and deferred. */
} gm_result;

/* What a project defines: runs one attempt. Called once for each job that the instance runs. */
gm_result gm_handler(const gm_job *job);

/* Ends with a value. A writer without one whole value makes a permanent error with the code `bad-return-value`. */
gm_result gm_value(const gm_writer *w);
/* Ends without a value: BullMQ stores `null`. */
gm_result gm_nothing(void);
/* May work later: retried under the job's policy; uses an attempt. Copies the text, as those below do. */
gm_result gm_retryable(const char *message);
/* Will never work: failed at once. */
gm_result gm_permanent(const char *message);
/* Something that was called said "slow down": delayed no shorter than this, GM_NONE leaves it to the job's backoff;
 * uses no attempt. */
gm_result gm_rate_limited(uint64_t retry_after_ms, const char *message);
/* Not now, but after `delay_ms`; uses no attempt. */
gm_result gm_deferred(uint64_t delay_ms, const char *reason);
/* To be called again when this job's children have finished; uses no attempt. */
gm_result gm_wait_for_children(void);
/* Adds a stable word of few distinct values to a retryable or permanent error, to group failures by; others have
 * none. */
gm_result gm_with_code(gm_result result, const char *code);
/* Adds an explanation to a retryable or permanent error; others have none. */
gm_result gm_with_detail(gm_result result, const char *detail);
/* Data that does not fit: permanent, with the code `bad-data`. */
gm_result gm_bad_data(const gm_misfit *misfit);

/* The end that fits an error: a limiter without room and an open breaker send the job back for as long as they say,
 * what would come again in every attempt is permanent, all else retryable. */
gm_result gm_fail(gm_error error);

/* Leaves the handler with gm_fail unless the call works: `GM_TRY(gm_state_delete("cursor", NULL));`. */
#define GM_TRY(call)                                                  \
    do {                                                              \
        gm_error gm_try_error = (call);                               \
        if (gm_try_error.kind != GM_OK) return gm_fail(gm_try_error); \
    } while (0)

/* --------------------------------------------------------------------------------------------------------- Context */

/* About the attempt that is running. Cheap; never waits. Times of day are ms since the Unix epoch. */

/* When the producer added the job. */
uint64_t gm_context_enqueued_at(void);
/* When the job was due: enqueued-at plus its delay. For a later start (a retry, a deferral), when that began. */
uint64_t gm_context_scheduled_at(void);
/* When the host stops this attempt; GM_NONE when nothing limits its time. */
uint64_t gm_context_deadline(void);
/* Time left until the soft timeout, 0 once it has passed; GM_NONE when nothing limits the attempt's time. The hard stop
 * at the deadline comes later: the time between is for putting things in order. */
uint64_t gm_context_remaining(void);
/* True once the attempt's result is no longer wanted: the soft timeout has passed, the job was cancelled, or the worker
 * stops. */
bool gm_context_cancelled(void);
/* The value of one of the job's headers, NULL if there is none; names are compared without regard to case. */
const char *gm_context_header(const char *name);
/* All headers of the job, in the producer's order. */
gm_pairs gm_context_headers(void);
/* W3C `traceparent` that the producer put into the job, for calls that belong to its trace; NULL for none. */
const char *gm_context_traceparent(void);
/* W3C `tracestate` that goes with it; NULL for none. */
const char *gm_context_tracestate(void);
/* Digest of the component that runs, `sha256:` and 64 hexadecimal digits. */
const char *gm_context_digest(void);

/* ------------------------------------------------------------------------------------------------------------- Log */

/* Lines of the job's log, which BullMQ's clients read. What is printed to stdout and stderr arrives there too, as info
 * and warn; stdio adds some 30 KiB to a component. An attempt's lines are counted and a line's length is limited: the
 * host drops and cuts what is over its job type's limits. */

typedef enum gm_level {
    GM_LOG_TRACE, /* Follows every step. */
    GM_LOG_DEBUG, /* For finding faults. */
    GM_LOG_INFO,  /* Normal events. */
    GM_LOG_WARN,  /* Something odd. */
    GM_LOG_ERROR  /* Something failed. */
} gm_level;

/* False when nobody would read a line of this level now; saves building its message. */
bool gm_log_enabled(gm_level level);
/* Writes a message with fields. */
void gm_log_write(gm_level level, const char *message, gm_pairs fields);
/* Writes a message with names and values of its fields, and NULL at the end. */
void gm_log_trace(const char *message, ...) GM_ENDS_WITH_NULL;
void gm_log_debug(const char *message, ...) GM_ENDS_WITH_NULL;
void gm_log_info(const char *message, ...) GM_ENDS_WITH_NULL;
void gm_log_warn(const char *message, ...) GM_ENDS_WITH_NULL;
void gm_log_error(const char *message, ...) GM_ENDS_WITH_NULL;

/* -------------------------------------------------------------------------------------------------------- Progress */

/* Says that `done` of `total` units are done; with a total BullMQ's progress becomes the whole percentage. Total:
 * GM_NONE for none. Never waits; too many updates in one attempt are dropped. */
void gm_progress_report(uint64_t done, uint64_t total);
/* The same with a text for people; BullMQ's progress becomes an object of `done`, `total` and `message`. */
void gm_progress_report_with(uint64_t done, uint64_t total, const char *message);
/* Sets BullMQ's progress to any value. */
gm_error gm_progress_set(const gm_writer *value);
/* Keeps a value, at most 256 KiB as JSON, with the job: its next attempt gets it. A later one takes its place. Waits
 * for Redis. */
gm_error gm_progress_save_checkpoint(const gm_writer *value);
/* The value that was kept last, by this attempt or an earlier one; NULL for none. Waits for Redis. */
gm_error gm_progress_load_checkpoint(const gm_json **value);
/* Replaces the job's data for later attempts and for all who look at the job. Waits for Redis. */
gm_error gm_progress_update_data(const gm_writer *data);

/* --------------------------------------------------------------------------------------------------------- Metrics */

/* Metrics of the handler's own; the worker adds the labels `queue` and `job`. Names and label names are
 * `[a-zA-Z_][a-zA-Z0-9_]*`. Give labels few distinct values: the host counts and drops what breaks its rules or exceeds
 * its ceilings. */

/* Adds to a counter. */
void gm_metrics_counter(const char *name, uint64_t value, gm_pairs labels);
/* Sets a gauge. */
void gm_metrics_gauge(const char *name, double value, gm_pairs labels);
/* Observes one value of a distribution. */
void gm_metrics_histogram(const char *name, double value, gm_pairs labels);

/* --------------------------------------------------------------------------------------------------------- Enqueue */

/* Adds jobs to the queues in `allow.enqueue` of the job type. An attempt that is tried again adds again: give jobs an
 * id of their own (option `jobId`) or a unique key where that matters. */

/* A job to add. What is 0 or NULL is left out; name and data are needed. */
typedef struct gm_new_job {
    const char *name;         /* 1 to 1024 bytes. */
    const gm_writer *data;    /* Any value. */
    const char *queue;        /* NULL: this job's own queue. */
    uint64_t delay_ms;        /* Not before this has passed. */
    const char *unique_key;   /* While a job with this key (BullMQ's deduplication id) lives, no other is added. */
    bool child;               /* A child of this job: this job can wait for it and gets its result. */
    const gm_writer *options; /* An object of BullMQ's job options by their long names, `priority` or `attempts`. */
} gm_new_job;

/* A job that was added, or was there. */
typedef struct gm_added {
    const char *id;
    bool existing; /* It was there already, with this id or unique key; nothing was added. */
} gm_added;

/* A child of this job that has completed. */
typedef struct gm_child {
    const char *key;      /* BullMQ's key of the job, `PREFIX:QUEUE:ID`. */
    const gm_json *value; /* What it returned. */
} gm_child;

/* A child of this job that has failed. */
typedef struct gm_failed_child {
    const char *key;    /* BullMQ's key of the job, `PREFIX:QUEUE:ID`. */
    const char *reason; /* Why. */
} gm_failed_child;

/* Adds one job; `added` may be NULL. Waits for Redis. */
gm_error gm_enqueue_submit(const gm_new_job *job, gm_added *added);
/* Adds jobs, all or none; at most 1000. `*added` becomes an array of `count`; `added` may be NULL. Waits for Redis. */
gm_error gm_enqueue_submit_many(const gm_new_job *jobs, size_t count, const gm_added **added);
/* What this job's children that completed have returned. Waits for Redis. */
gm_error gm_enqueue_children(const gm_child **children, size_t *count);
/* Why children have failed whose failure this job survives (`ignoreDependencyOnFailure`, `continueParentOnFailure`).
 * Waits for Redis. */
gm_error gm_enqueue_failed_children(const gm_failed_child **children, size_t *count);

/* ----------------------------------------------------------------------------------------------------------- State */

/* Small durable values, private to the job type, shared by all its attempts. A key has 1 to 256 bytes, a value as JSON
 * at most 64 KiB, a job type at most 1000 keys. Every call waits for Redis. A ttl of GM_NONE keeps a value for ever. */

/* The value of a key; NULL for none. */
gm_error gm_state_get(const char *key, const gm_json **value);
/* Sets a value, to be forgotten after `ttl_ms`. */
gm_error gm_state_set(const char *key, const gm_writer *value, uint64_t ttl_ms);
/* Forgets a value; `*existed`, unless NULL, is false if there was none. */
gm_error gm_state_delete(const char *key, bool *existed);
/* Adds to a whole number, 0 if there is none, and gives the sum unless `sum` is NULL. The ttl is that of a number that
 * is made. */
gm_error gm_state_increment(const char *key, int64_t delta, uint64_t ttl_ms, int64_t *sum);
/* Sets a value if the present one is `expected`, byte for byte as JSON; NULL: if there is none. `*changed` false: it
 * was another, and stays. */
gm_error gm_state_compare_and_set(const char *key, const gm_writer *expected, const gm_writer *value, uint64_t ttl_ms,
                                  bool *changed);

/* --------------------------------------------------------------------------------------------------------- Secrets */

/* The secret of this name, one of those in `allow.secrets` of the job type, read anew by the host. The host masks it in
 * the attempt's log and failure. It cannot do so in what a handler returns, sends or keeps. */
gm_error gm_secrets_get(const char *name, const char **value);

/* ------------------------------------------------------------------------------------------------------ Rate limits */

/* Limiters: named rate limits that all workers share, those in `allow.limiters` of the job type. `key` counts apart,
 * such as a tenant; "" counts all together. Every call waits for Redis. */

/* Charges `cost` units, at least 1, and never waits for room. */
gm_error gm_rate_limit_try_acquire(const char *limiter, const char *key, uint32_t cost);
/* Waits for room, up to `max_wait_ms`; `*waited_ms`, unless NULL, says how long that took. The wait takes neither a
 * thread nor fuel; the attempt's deadline holds all the while. */
gm_error gm_rate_limit_acquire(const char *limiter, const char *key, uint32_t cost, uint64_t max_wait_ms,
                               uint64_t *waited_ms);

/* ------------------------------------------------------------------------------------------------ Circuit breakers */

/* Circuit breakers, shared by all workers: calls to a service that fails are not made for a while. A job type may ask
 * those in `allow.breakers`. HTTP requests pass the breaker of their entry in `allow.http` by themselves. */

/* How a guarded call ended. */
typedef enum gm_outcome {
    GM_SUCCESS, /* The service works. */
    GM_FAILURE, /* It does not. */
    GM_IGNORE   /* The call says nothing of it. */
} gm_outcome;

/* Leave to make one call. One that is not completed when the job ends counts as a failure. */
typedef struct gm_permit gm_permit;

/* Asks for leave to make one call. `key` has a state of its own, such as a region; "" is the one that all share. */
gm_error gm_circuit_breaker_enter(const char *breaker, const char *key, gm_permit **permit);
/* Says how the call ended. A permit is completed once; what comes later, and NULL, is ignored. */
void gm_circuit_breaker_complete(gm_permit *permit, gm_outcome outcome);
/* Makes one call, if it may, and says how it ended. */
gm_error gm_circuit_breaker_guard(const char *breaker, const char *key, gm_outcome (*call)(void *context),
                                  void *context);

/* ------------------------------------------------------------------------------------------------------------ HTTP */

/* Outgoing HTTP, to the hosts that the job type allows. A call waits; meanwhile the host runs other jobs. Redirects are
 * not followed. A status of 400 and more is a response, not an error. */

/* Bytes of a response's body that are accepted unless a request says otherwise. */
#define GM_HTTP_MAX_BODY ((size_t)16 << 20)

/* A request. What is 0 or NULL is left out; the URL is needed. */
typedef struct gm_http_request {
    const char *method;  /* NULL: GET. */
    const char *url;     /* With `http://` or `https://`, percent-encoded. */
    gm_pairs headers;    /* `content-length` and `host` are set without them. */
    gm_bytes body;       /* Empty for none. */
    uint64_t timeout_ms; /* Longest time to connect, until the response begins, and between its parts; each by itself.
                            0: only the attempt's own limit counts. */
    size_t max_body;     /* Bytes of the response's body that are accepted; 0: GM_HTTP_MAX_BODY. They must fit the
                            job's memory. */
} gm_http_request;

/* A response. */
typedef struct gm_http_response {
    uint16_t status;  /* Such as 200. */
    gm_pairs headers; /* Names in lower case, in the server's order. */
    gm_bytes body;    /* All of it, with a NUL after it; empty where it is read by pieces. */
} gm_http_response;

/* A response whose body is read by pieces. */
typedef struct gm_http_stream gm_http_stream;

/* Sends the request and reads the response to its end. */
gm_error gm_http_send(const gm_http_request *request, gm_http_response *response);
/* Sends the request and reads the response without its body. `max_body` bounds what is read later, 0: nothing does. */
gm_error gm_http_open(const gm_http_request *request, gm_http_response *response, gm_http_stream **stream);
/* Reads on; a piece has 1 to 65536 bytes and is there until the next call. An empty one is the end. */
gm_error gm_http_read(gm_http_stream *stream, gm_bytes *piece);
/* Ends the reading early. A stream that was read to its end, or failed, is closed; so is any when the job ends. */
void gm_http_close(gm_http_stream *stream);

/* Whether the status is from 200 to 299. */
bool gm_http_is_success(const gm_http_response *response);
/* The first header of this name, compared without regard to case; NULL for none. */
const char *gm_http_header(const gm_http_response *response, const char *name);
/* What the header `retry-after` says in seconds, as ms for gm_rate_limited; GM_NONE without one, or with a date. */
uint64_t gm_http_retry_after(const gm_http_response *response);
/* The body's JSON. An error is not hopeless: another answer may be better. */
gm_error gm_http_json(const gm_http_response *response, const gm_json **value);

#ifdef __cplusplus
}
#endif

#endif
