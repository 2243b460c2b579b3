#include "check.h"

static gm_writer *number(int64_t value) { return gm_put_int(gm_writer_new(), value); }

static void tells_the_context(void) {
    CHECK(gm_context_deadline() == GM_NONE && gm_context_remaining() == GM_NONE && !gm_context_cancelled());
    CHECK(gm_context_header("a") == NULL && gm_context_traceparent() == NULL && gm_context_headers().count == 0);
    gm_test_context context = GM_TEST_CONTEXT;
    context.enqueued_at_ms = 5;
    context.scheduled_at_ms = 6;
    context.remaining_ms = 1500;
    context.cancelled = true;
    context.headers = gm_pairs_of("Tenant", "acme", NULL);
    context.traceparent = "00-1";
    context.tracestate = "a=b";
    context.digest = "sha256:0";
    gm_test_set_context(context);
    CHECK(gm_context_enqueued_at() == 5 && gm_context_scheduled_at() == 6 && gm_context_remaining() == 1500);
    CHECK(gm_context_cancelled() && gm_context_headers().count == 1);
    SAME(gm_context_header("tenant"), "acme");
    SAME(gm_context_traceparent(), "00-1");
    SAME(gm_context_tracestate(), "a=b");
    SAME(gm_context_digest(), "sha256:0");
}

static void remembers_lines(void) {
    gm_log_info("plain", NULL);
    gm_log_error("failed: \xFF", "size", gm_text_of_int(12), "odd", NULL);
    gm_log_write(GM_LOG_TRACE, "fields", gm_pairs_of("a", "1", NULL));
    gm_test_records records = gm_test_take();
    CHECK(records.log_count == 3 && records.logs[0].level == GM_LOG_INFO && records.logs[0].fields.count == 0);
    SAME(records.logs[1].message, "failed: \xEF\xBF\xBD");
    SAME(records.logs[1].fields.items[0].value, "12");
    SAME(records.logs[1].fields.items[1].value, "");
    SAME(records.logs[2].fields.items[0].name, "a");
    CHECK(gm_log_enabled(GM_LOG_TRACE) && gm_test_take().log_count == 0);
}

static void shows_progress_as_bullmq_does(void) {
    gm_progress_report(1, 4);
    gm_progress_report(5, GM_NONE);
    gm_progress_report_with(1, 2, "half");
    gm_progress_report(0, 0);
    gm_progress_report(UINT64_MAX / 2, UINT64_MAX - 1);
    CHECK(gm_progress_set(gm_end_array(gm_begin_array(gm_writer_new()))).kind == GM_OK);
    static const char *const expected[] = {"25",  "{\"done\":5}", "{\"done\":1,\"total\":2,\"message\":\"half\"}",
                                           "100", "50",           "[]"};
    gm_test_records records = gm_test_take();
    CHECK(records.progress_count == 6);
    for (size_t i = 0; i < 6; i++) SAME(records.progress[i], expected[i]);
    gm_error error = gm_progress_set(gm_writer_new());
    CHECK(error.kind == GM_ERROR_INVALID && gm_fail(error).end == GM_END_RETRYABLE);
}

static void keeps_checkpoints_and_data(void) {
    const gm_json *value = NULL;
    int64_t kept = 0;
    CHECK(gm_progress_load_checkpoint(&value).kind == GM_OK && value == NULL);
    CHECK(gm_progress_save_checkpoint(number(3)).kind == GM_OK);
    CHECK(gm_progress_load_checkpoint(&value).kind == GM_OK && gm_json_int(value, &kept) && kept == 3);
    CHECK(gm_progress_update_data(number(4)).kind == GM_OK);
    gm_test_records records = gm_test_take();
    CHECK(records.data_count == 1);
    SAME(records.data[0], "4");
}

static void remembers_metrics(void) {
    gm_metrics_counter("sent", 2, gm_pairs_of("kind", "a", NULL));
    gm_metrics_gauge("depth", -1.5, gm_pairs_of(NULL));
    gm_metrics_histogram("pages", 12, gm_pairs_of(NULL));
    gm_test_records records = gm_test_take();
    CHECK(records.metric_count == 3 && records.metrics[0].kind == GM_TEST_COUNTER && records.metrics[0].value == 2);
    SAME(records.metrics[0].labels.items[0].value, "a");
    CHECK(records.metrics[1].kind == GM_TEST_GAUGE && records.metrics[1].value == -1.5);
    CHECK(records.metrics[2].kind == GM_TEST_HISTOGRAM && records.metrics[2].value == 12);
}

static void adds_jobs(void) {
    gm_new_job job;
    memset(&job, 0, sizeof job);
    job.name = "page";
    job.data = number(1);
    gm_added added;
    CHECK(gm_enqueue_submit(&job, &added).kind == GM_OK && !added.existing);
    SAME(added.id, "added-1");
    gm_new_job full = job;
    full.queue = "pages";
    full.delay_ms = 50;
    full.unique_key = "k";
    full.child = true;
    full.options = gm_end_object(gm_put_int(gm_key(gm_begin_object(gm_writer_new()), "priority"), 2));
    const gm_new_job jobs[] = {job, full};
    const gm_added *all;
    CHECK(gm_enqueue_submit_many(jobs, 2, &all).kind == GM_OK);
    SAME(all[1].id, "added-3");
    gm_test_records records = gm_test_take();
    CHECK(records.enqueued_count == 3 && records.enqueued[0].queue == NULL && records.enqueued[0].options == NULL);
    CHECK(records.enqueued[0].delay_ms == GM_NONE && records.enqueued[2].delay_ms == 50 && records.enqueued[2].child);
    SAME(records.enqueued[2].data, "1");
    SAME(records.enqueued[2].queue, "pages");
    SAME(records.enqueued[2].unique_key, "k");
    SAME(records.enqueued[2].options, "{\"priority\":2}");
    job.data = NULL;
    gm_error error = gm_enqueue_submit(&job, NULL);
    CHECK(error.kind == GM_ERROR_INVALID && gm_fail(error).end == GM_END_PERMANENT);
    SAME(error.message, "a job to add: the value cannot be written as JSON: there is no writer");
    job.name = "\xFF";
    SAME(gm_enqueue_submit(&job, NULL).message, "a job to add: the job's name is not UTF-8");
    CHECK(gm_test_take().enqueued_count == 0);
}

static void reads_children(void) {
    const gm_child *children;
    const gm_failed_child *failed;
    size_t count;
    int64_t value = 0;
    gm_test_add_child("bull:pages:7", "5");
    gm_test_add_failed_child("bull:pages:8", "broken");
    CHECK(gm_enqueue_children(&children, &count).kind == GM_OK && count == 1);
    CHECK(gm_json_int(children[0].value, &value) && value == 5);
    SAME(children[0].key, "bull:pages:7");
    CHECK(gm_enqueue_failed_children(&failed, &count).kind == GM_OK && count == 1);
    SAME(failed[0].reason, "broken");
    gm_test_add_child("bull:pages:9", "{");
    gm_error error = gm_enqueue_children(&children, &count);
    CHECK(error.kind == GM_ERROR_INVALID && count == 0 && children == NULL);
    CHECK(strncmp(error.message, "the result of child `bull:pages:9` holds something else: line 1", 63) == 0);
}

static void keeps_state(void) {
    bool yes = false;
    int64_t sum = 0;
    const gm_json *value = NULL;
    CHECK(gm_state_compare_and_set("k", NULL, number(1), GM_NONE, &yes).kind == GM_OK && yes);
    CHECK(gm_state_compare_and_set("k", NULL, number(2), GM_NONE, &yes).kind == GM_OK && !yes);
    CHECK(gm_state_compare_and_set("k", number(7), number(2), GM_NONE, &yes).kind == GM_OK && !yes);
    CHECK(gm_state_compare_and_set("k", number(1), number(2), 1000, &yes).kind == GM_OK && yes);
    CHECK(gm_state_increment("k", 4, GM_NONE, &sum).kind == GM_OK && sum == 6);
    CHECK(gm_state_get("k", &value).kind == GM_OK && gm_json_int(value, &sum) && sum == 6);
    CHECK(gm_state_delete("k", &yes).kind == GM_OK && yes);
    CHECK(gm_state_delete("k", &yes).kind == GM_OK && !yes);
    CHECK(gm_state_get("k", &value).kind == GM_OK && value == NULL);
    CHECK(gm_state_set("text", gm_put_string(gm_writer_new(), "x"), GM_NONE).kind == GM_OK);
    gm_error error = gm_state_increment("text", 1, GM_NONE, NULL);
    CHECK(error.kind == GM_ERROR_INVALID && error.hopeless);
    CHECK(gm_state_increment("most", INT64_MAX, GM_NONE, NULL).kind == GM_OK);
    CHECK(gm_state_increment("most", 1, GM_NONE, &sum).kind == GM_ERROR_INVALID && sum == 0);
    SAME(gm_state_get("\xFF", &value).message, "the key is not UTF-8");
    SAME(gm_state_set(NULL, number(1), GM_NONE).message, "the key is NULL");
}

static void services_can_be_away(void) {
    const gm_json *value;
    gm_new_job job;
    memset(&job, 0, sizeof job);
    job.name = "page";
    job.data = number(1);
    gm_test_set_services(false);
    gm_error error = gm_state_get("k", &value);
    CHECK(error.kind == GM_ERROR_UNAVAILABLE && gm_fail(error).end == GM_END_RETRYABLE);
    SAME(error.message, "Redis did not answer: the test says so; see `gm_test_set_services`");
    CHECK(gm_progress_load_checkpoint(&value).kind == GM_ERROR_UNAVAILABLE);
    CHECK(gm_enqueue_submit(&job, NULL).kind == GM_ERROR_UNAVAILABLE && gm_test_take().enqueued_count == 0);
    gm_test_set_services(true);
}

static gm_result acquires(const gm_job *job) {
    (void)job;
    GM_TRY(gm_rate_limit_try_acquire("api", "", 1));
    return gm_nothing();
}

static void limits(void) {
    gm_test_set_limiter("api", 1);
    CHECK(gm_test_call(acquires, gm_test_job("null")).end == GM_END_VALUE);
    gm_result end = gm_test_call(acquires, gm_test_job("null"));
    CHECK(end.end == GM_END_RATE_LIMITED && end.time_ms == 1000);
    SAME(end.message, "the limiter has no room for 1000 ms");
    uint64_t waited = 7;
    gm_error error = gm_rate_limit_acquire("other", "", 1, 5, &waited);
    CHECK(error.kind == GM_ERROR_DENIED && waited == 0 && gm_fail(error).end == GM_END_PERMANENT);
    SAME(error.message, "the job type does not allow this limiter: list it in `allow.limiters`");
}

static gm_outcome works(void *context) {
    ++*(int *)context;
    return GM_SUCCESS;
}

static gm_result forgets_a_permit(const gm_job *job) {
    (void)job;
    gm_permit *permit;
    GM_TRY(gm_circuit_breaker_enter("stripe", "eu", &permit));
    return gm_nothing();
}

static void breaks_circuits(void) {
    int calls = 0;
    gm_permit *permit;
    gm_test_set_breaker("stripe", true);
    CHECK(gm_circuit_breaker_guard("stripe", "", works, &calls).kind == GM_OK && calls == 1);
    CHECK(gm_circuit_breaker_enter("stripe", "", &permit).kind == GM_OK);
    gm_circuit_breaker_complete(permit, GM_IGNORE);
    gm_circuit_breaker_complete(permit, GM_FAILURE);
    gm_circuit_breaker_complete(NULL, GM_FAILURE);
    CHECK(gm_test_call(forgets_a_permit, gm_test_job("null")).end == GM_END_VALUE);
    gm_test_records records = gm_test_take();
    CHECK(records.guarded_count == 3 && records.guarded[0].outcome == GM_SUCCESS);
    CHECK(records.guarded[1].outcome == GM_IGNORE && records.guarded[2].outcome == GM_FAILURE);
    gm_test_set_breaker("stripe", false);
    CHECK(gm_circuit_breaker_guard("stripe", "", works, &calls).kind == GM_ERROR_OPEN && calls == 1);
    gm_result end = gm_test_call(forgets_a_permit, gm_test_job("null"));
    CHECK(end.end == GM_END_DEFERRED && end.time_ms == 1000);
    CHECK(gm_circuit_breaker_enter("other", "", &permit).kind == GM_ERROR_DENIED && permit == NULL);
}

static void hands_out_secrets(void) {
    const char *secret;
    gm_test_set_secret("KEY", "s3cr3t");
    CHECK(gm_secrets_get("KEY", &secret).kind == GM_OK);
    SAME(secret, "s3cr3t");
    gm_error error = gm_secrets_get("OTHER", &secret);
    CHECK(error.kind == GM_ERROR_DENIED && secret == NULL && error.hopeless);
}

void test_services(void) {
    tells_the_context();
    remembers_lines();
    shows_progress_as_bullmq_does();
    keeps_checkpoints_and_data();
    remembers_metrics();
    adds_jobs();
    reads_children();
    keeps_state();
    services_can_be_away();
    limits();
    breaks_circuits();
    hands_out_secrets();
}
