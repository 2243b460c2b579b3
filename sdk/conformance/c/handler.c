/* The guest that every SDK builds; see ../README.md. Here are the job, its ends, and the steps that need no service. */

/* Clocks, sleeping and random bytes are POSIX, which a strict C11 compiler hides. */
#define _DEFAULT_SOURCE

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

gm_error null_after(call *c, gm_error error) {
    if (error.kind == GM_OK) gm_put_null(c->out);
    return error;
}

uint64_t time_of(call *c, const char *key) {
    int64_t time = gm_maybe_int(c->step, key, 0, INT64_MAX, -1, &c->misfit);
    return time < 0 ? GM_NONE : (uint64_t)time;
}

const char *text_at(call *c, const char *key) { return gm_need_string(c->step, key, &c->misfit); }

static gm_error ends_with(call *c, gm_result end) {
    c->ended = true;
    c->end = end;
    return (gm_error){0};
}

static void put_time(call *c, const char *key, uint64_t time) {
    gm_key(c->out, key);
    if (time == GM_NONE) {
        gm_put_null(c->out);
    } else {
        gm_put_uint(c->out, time);
    }
}

static gm_error give(call *c) {
    gm_put_json(c->out, gm_json_get(c->step, "value"));
    return (gm_error){0};
}

static gm_error show_job(call *c) {
    gm_put_string(gm_key(gm_begin_object(c->out), "id"), c->job->id);
    gm_put_string(gm_key(c->out, "name"), c->job->name);
    gm_put_string(gm_key(c->out, "queue"), c->job->queue);
    gm_put_uint(gm_key(c->out, "attempt"), c->job->attempt);
    gm_end_object(gm_put_uint(gm_key(c->out, "maxAttempts"), c->job->max_attempts));
    return (gm_error){0};
}

static gm_error show_context(call *c) {
    gm_pairs headers = gm_context_headers();
    gm_begin_object(c->out);
    put_time(c, "enqueuedAt", gm_context_enqueued_at());
    put_time(c, "scheduledAt", gm_context_scheduled_at());
    put_time(c, "deadline", gm_context_deadline());
    put_time(c, "remaining", gm_context_remaining());
    gm_put_bool(gm_key(c->out, "cancelled"), gm_context_cancelled());
    gm_put_string(gm_key(c->out, "header"), gm_context_header(gm_maybe_string(c->step, "name", "none", &c->misfit)));
    gm_begin_object(gm_key(c->out, "headers"));
    for (size_t i = 0; i < headers.count; i++)
        gm_put_string(gm_key(c->out, headers.items[i].name), headers.items[i].value);
    gm_end_object(c->out);
    gm_put_string(gm_key(c->out, "traceparent"), gm_context_traceparent());
    gm_put_string(gm_key(c->out, "tracestate"), gm_context_tracestate());
    gm_end_object(gm_put_string(gm_key(c->out, "digest"), gm_context_digest()));
    return (gm_error){0};
}

static gm_error print(call *c) {
    puts(text_at(c, "line"));
    return null_after(c, (gm_error){0});
}

static gm_error fail(call *c) {
    const char *kind = text_at(c, "kind"), *message = gm_maybe_string(c->step, "message", "", &c->misfit);
    const char *code = gm_maybe_string(c->step, "code", NULL, &c->misfit);
    const char *detail = gm_maybe_string(c->step, "detail", NULL, &c->misfit);
    gm_result end = gm_permanent(gm_format("there is no error `%s`", kind));
    if (strcmp(kind, "retryable") == 0) end = gm_retryable(message);
    if (strcmp(kind, "permanent") == 0) end = gm_permanent(message);
    if (strcmp(kind, "rate-limited") == 0) end = gm_rate_limited(time_of(c, "retryAfter"), message);
    if (strcmp(kind, "deferred") == 0)
        end = gm_deferred((uint64_t)gm_need_int(c->step, "delay", 0, INT64_MAX, &c->misfit), message);
    if (strcmp(kind, "wait-for-children") == 0) end = gm_wait_for_children();
    return ends_with(c, gm_with_detail(gm_with_code(end, code), detail));
}

static gm_error throw_it(call *c) {
    const char *what = text_at(c, "what");
    if (strcmp(what, "error") == 0) return ends_with(c, gm_retryable(text_at(c, "message")));
    if (strcmp(what, "empty") == 0) return ends_with(c, gm_retryable(""));
    if (strcmp(what, "odd") == 0) {
        /* What a handler returns that never set its result: whatever was in memory. */
        gm_result odd;
        memset(&odd, 0xA5, sizeof odd);
        return ends_with(c, odd);
    }
    /* C can throw nothing; a failed assertion has a text. */
    if (strcmp(what, "text") == 0) assert(!"bööm");
    fputs("this handler aborts\n", stderr);
    abort();
}

static gm_error hoard(call *c) {
    /* Where anybody could look, so that the compiler does not do without. */
    static void *volatile kept;
    for (;;) {
        void *more = malloc(1 << 20);
        if (more == NULL) return ends_with(c, gm_retryable(strerror(errno)));
        memset(more, 1, 1 << 20);
        kept = more;
    }
}

static gm_error clock_now(call *c) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    gm_put_int(c->out, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    return (gm_error){0};
}

static gm_error random_bytes(call *c) {
    unsigned char bytes[16];
    char text[33];
    if (getentropy(bytes, sizeof bytes) != 0) return ends_with(c, gm_retryable("there are no random bytes"));
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    gm_put_string(c->out, text);
    return (gm_error){0};
}

static void rest(int64_t ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static gm_error sleep_for(call *c) {
    rest(gm_need_int(c->step, "ms", 0, INT32_MAX, &c->misfit));
    return null_after(c, (gm_error){0});
}

static gm_error never(call *c) {
    rest(60000);
    return null_after(c, (gm_error){0});
}

static gm_error until_cancelled(call *c) {
    while (!gm_context_cancelled()) rest(10);
    gm_put_string(c->out, "cancelled");
    return (gm_error){0};
}

static gm_error typed(call *c) {
    const gm_json *value = gm_json_get(c->step, "value");
    gm_misfit misfit = {0};
    const char *to = gm_need_string(value, "to", &misfit);
    size_t count = (size_t)gm_need_int(value, "count", 0, 1 << 20, &misfit), length = strlen(to);
    if (misfit.message != NULL) return ends_with(c, gm_bad_data(&misfit));
    char *text = gm_alloc(count * length + 1);
    for (size_t i = 0; i < count; i++) memcpy(text + i * length, to, length);
    gm_put_string(c->out, text);
    return (gm_error){0};
}

static gm_error perform(call *c);

static gm_error once(call *c) {
    int64_t times = 0;
    gm_error error = gm_state_increment(gm_need_string(c->step, "key", &c->misfit), 1, GM_NONE, &times);
    if (error.kind != GM_OK || times > 1) return null_after(c, error);
    c->step = gm_need_object(c->step, "step", &c->misfit);
    return perform(c);
}

static operation *own_operation(const char *name) {
    static const struct {
        const char *name;
        operation *run;
    } operations[] = {
        {"return", give},
        {"job", show_job},
        {"context", show_context},
        {"print", print},
        {"fail", fail},
        {"throw", throw_it},
        {"hoard", hoard},
        {"never", never},
        {"clock", clock_now},
        {"random", random_bytes},
        {"sleep", sleep_for},
        {"untilCancelled", until_cancelled},
        {"typed", typed},
        {"once", once},
    };
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (strcmp(operations[i].name, name) == 0) return operations[i].run;
    }
    return NULL;
}

/* An error of a service as the step's value. */
static void put_error(gm_writer *out, gm_error error) {
    gm_put_string(gm_key(gm_begin_object(out), "error"), gm_error_name(error.kind));
    if (error.kind == GM_ERROR_LIMITED || error.kind == GM_ERROR_OPEN) {
        gm_put_uint(gm_key(out, "retryAfter"), error.retry_after_ms);
    }
    gm_end_object(out);
}

static gm_error perform(call *c) {
    const char *name = text_at(c, "op");
    bool caught = gm_maybe_bool(c->step, "catch", false, &c->misfit);
    if (c->misfit.message != NULL) return ends_with(c, gm_bad_data(&c->misfit));
    operation *run = own_operation(name);
    if (run == NULL) run = service_of(name);
    if (run == NULL) return ends_with(c, gm_permanent(gm_format("there is no operation `%s`", name)));
    gm_error error = run(c);
    if (c->misfit.message != NULL && !c->ended) return ends_with(c, gm_bad_data(&c->misfit));
    if (error.kind == GM_OK || !caught) return error;
    put_error(c->out, error);
    return (gm_error){0};
}

gm_result gm_handler(const gm_job *job) {
    bool many = gm_json_is_array(job->data);
    size_t count = many ? gm_json_count(job->data) : 1;
    call c = {.job = job, .out = gm_writer_new()};
    if (many) gm_begin_array(c.out);
    for (size_t i = 0; i < count; i++) {
        c.step = many ? gm_json_at(job->data, i) : job->data;
        const char *op = gm_json_string(gm_json_get(c.step, "op"), NULL);
        if (!many && op != NULL && strcmp(op, "nothing") == 0) return gm_nothing();
        gm_error error = perform(&c);
        if (c.ended) return c.end;
        if (error.kind != GM_OK) return gm_fail(error);
    }
    if (many) gm_end_array(c.out);
    return gm_value(c.out);
}
