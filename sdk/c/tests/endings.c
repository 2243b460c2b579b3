#include "check.h"

static gm_result made;

static gm_result gives_made(const gm_job *job) {
    (void)job;
    return made;
}

/* The end of a handler that returns this. */
static gm_result end_of(gm_result result) {
    made = result;
    return gm_test_call(gives_made, gm_test_job("null"));
}

static void every_end_reaches_the_host(void) {
    CHECK(gm_test_same(end_of(gm_value(gm_put_int(gm_writer_new(), 7))).value, "7"));
    gm_result end = end_of(gm_nothing());
    CHECK(end.end == GM_END_VALUE && end.value.len == 0);
    end = end_of(gm_with_detail(gm_with_code(gm_retryable("later"), "c"), "d"));
    CHECK(end.end == GM_END_RETRYABLE);
    SAME(end.message, "later");
    SAME(end.code, "c");
    SAME(end.detail, "d");
    CHECK(end_of(gm_permanent("no")).end == GM_END_PERMANENT);
    end = end_of(gm_rate_limited(GM_NONE, "slow"));
    CHECK(end.end == GM_END_RATE_LIMITED && end.time_ms == GM_NONE);
    end = end_of(gm_deferred(0, "not now"));
    CHECK(end.end == GM_END_DEFERRED && end.time_ms == 0);
    SAME(end.message, "not now");
    CHECK(end_of(gm_wait_for_children()).end == GM_END_WAIT_FOR_CHILDREN);
}

static void only_failures_have_code_and_detail(void) {
    gm_result end = gm_with_detail(gm_with_code(gm_deferred(1, "x"), "c"), "d");
    CHECK(end.code == NULL && end.detail == NULL);
    CHECK(gm_with_code(gm_permanent("x"), NULL).code == NULL);
}

static void texts_are_copied_and_cleaned(void) {
    char text[] = "gone";
    gm_result end = gm_retryable(text);
    memset(text, 'x', sizeof text - 1);
    SAME(end.message, "gone");
    SAME(gm_permanent("a\xFF").message, "a\xEF\xBF\xBD");
    SAME(gm_permanent(NULL).message, "");
}

static void bad_ends_are_permanent(void) {
    gm_result end = end_of(gm_value(gm_begin_array(gm_writer_new())));
    CHECK(end.end == GM_END_PERMANENT);
    SAME(end.code, "bad-return-value");
    SAME(end.message, "the return value: the value cannot be written as JSON: an array has no end");
    gm_result unset;
    memset(&unset, 0, sizeof unset);
    end = end_of(unset);
    CHECK(end.end == GM_END_PERMANENT && strstr(end.message, "returned no end") != NULL);
    SAME(end.code, "bad-return-value");
    gm_result odd = gm_nothing();
    odd.value = gm_bytes_of("not JSON");
    CHECK(end_of(odd).end == GM_END_PERMANENT);
}

static gm_result needs_text(const gm_job *job) {
    gm_misfit misfit = {0};
    const char *text = gm_need_string(job->data, "text", &misfit);
    return misfit.message ? gm_bad_data(&misfit) : gm_value(gm_put_string(gm_writer_new(), text));
}

static void bad_data_is_permanent(void) {
    gm_result end = gm_test_call(needs_text, gm_test_job("{\"text\":7}"));
    CHECK(end.end == GM_END_PERMANENT);
    SAME(end.code, "bad-data");
    SAME(end.message, "the job's data does not fit this handler: at `text`: expected a string, found 7");
    end = gm_test_call(needs_text, gm_test_job("{"));
    SAME(end.message, "the job's data does not fit this handler: line 1 column 2: the text ends inside an object");
    CHECK(end.end == GM_END_PERMANENT && strcmp(end.code, "bad-data") == 0);
}

static gm_end end_for(gm_error_kind kind, bool hopeless) {
    gm_error error = {kind, hopeless, 1500, "why"};
    gm_result end = gm_fail(error);
    SAME(end.message, "why");
    if (kind == GM_ERROR_LIMITED || kind == GM_ERROR_OPEN) CHECK(end.time_ms == 1500);
    return end.end;
}

static void errors_become_the_end_that_fits(void) {
    CHECK(end_for(GM_ERROR_LIMITED, true) == GM_END_RATE_LIMITED);
    CHECK(end_for(GM_ERROR_OPEN, true) == GM_END_DEFERRED);
    CHECK(end_for(GM_ERROR_DENIED, true) == GM_END_PERMANENT);
    CHECK(end_for(GM_ERROR_UNAVAILABLE, false) == GM_END_RETRYABLE);
}

static void errors_have_names(void) {
    SAME(gm_error_name(GM_OK), "ok");
    SAME(gm_error_name(GM_ERROR_QUOTA_EXCEEDED), "quota-exceeded");
    for (int kind = GM_OK; kind <= GM_ERROR_FAILED; kind++) {
        CHECK(strcmp(gm_error_name((gm_error_kind)kind), "unknown") != 0);
    }
}

static void the_last_attempt_is_known(void) {
    gm_job *job = gm_test_job("null");
    CHECK(!gm_is_last_attempt(job));
    job->attempt = 3;
    CHECK(gm_is_last_attempt(job));
}

void test_endings(void) {
    every_end_reaches_the_host();
    only_failures_have_code_and_detail();
    texts_are_copied_and_cleaned();
    bad_ends_are_permanent();
    bad_data_is_permanent();
    errors_become_the_end_that_fits();
    errors_have_names();
    the_last_attempt_is_known();
}
