#include <gristmill_testing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program with the place of the first check that fails. */
#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

static gm_result call(const char *data) { return gm_test_call(gm_handler, gm_test_job(data)); }

static void rows_become_objects(void) {
    static const struct {
        const char *data, *value;
    } cases[] = {
        {"{\"text\":\"a,b\\n1,2\\r\\n3,\\n\"}", "[{\"a\":\"1\",\"b\":\"2\"},{\"a\":\"3\",\"b\":\"\"}]"},
        {"{\"text\":\"a;b\\n\\\"x;\\\"\\\"y\\\"\\\"\\nz\\\";2\",\"separator\":\";\"}",
         "[{\"a\":\"x;\\\"y\\\"\\nz\",\"b\":\"2\"}]"},
        {"{\"text\":\"only\"}", "[]"},
        {"{\"text\":\"\"}", "[]"},
        {"{\"text\":\"a\\n\\n\"}", "[{\"a\":\"\"}]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gm_result end = call(cases[i].data);
        CHECK(end.end == GM_END_VALUE && gm_test_same(end.value, cases[i].value));
    }
}

/* A job with 2500 rows. */
static const char *many_rows(void) {
    gm_writer *w = gm_begin_object(gm_writer_new());
    gm_bytes json;
    char *text = gm_alloc(2501 * 2 + 1);
    for (int i = 0; i < 2501; i++) memcpy(text + 2 * i, "a\n", 2);
    gm_put_string(gm_key(w, "text"), text);
    CHECK(gm_written(gm_end_object(w), &json).kind == GM_OK);
    return gm_copy((const char *)json.ptr, json.len);
}

static void tells_how_far_it_is(void) {
    gm_test_take();
    CHECK(call(many_rows()).end == GM_END_VALUE);
    gm_test_records records = gm_test_take();
    CHECK(records.progress_count == 3 && strcmp(records.progress[0], "40") == 0);
    CHECK(strcmp(records.progress[2], "100") == 0);
    CHECK(records.metric_count == 1 && records.metrics[0].value == 2500);
}

static void stops_when_its_time_is_up(void) {
    gm_test_context context = GM_TEST_CONTEXT;
    context.cancelled = true;
    gm_test_set_context(context);
    gm_result end = call(many_rows());
    CHECK(end.end == GM_END_RETRYABLE && strcmp(end.code, "out-of-time") == 0);
    CHECK(strcmp(end.message, "stopped after 1000 rows: time is up; raise `timeout`") == 0);
}

static void what_is_malformed_is_permanent(void) {
    static const struct {
        const char *data, *message, *code;
    } cases[] = {
        {"{\"text\":\"a,b\\n1,2\\n3\"}", "at line 3: there are 1 fields, the first line has 2", "bad-csv"},
        {"{\"text\":\"a\\n\\\"x\\ny\\\"\\n1,2\"}", "at line 4: there are 2 fields, the first line has 1", "bad-csv"},
        {"{\"text\":\"a\\n\\\"x\"}", "at line 2: a quote is not closed", "bad-csv"},
        {"{\"text\":\"a\\n\\\"x\\\"y\"}", "at line 2: something follows a closing quote", "bad-csv"},
        {"{}", "the job's data does not fit this handler: missing field `text`", "bad-data"},
        {"{\"text\":\"\",\"separator\":\"ab\"}",
         "the job's data does not fit this handler: at `separator`: expected one ASCII character, no quote or line "
         "break",
         "bad-data"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gm_result end = call(cases[i].data);
        CHECK(end.end == GM_END_PERMANENT && strcmp(end.message, cases[i].message) == 0);
        CHECK(strcmp(end.code, cases[i].code) == 0);
    }
}

int main(void) {
    gm_test_begin();
    rows_become_objects();
    tells_how_far_it_is();
    stops_when_its_time_is_up();
    what_is_malformed_is_permanent();
    gm_test_end();
    puts("all tests passed");
    return 0;
}
