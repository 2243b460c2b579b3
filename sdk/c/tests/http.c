#include "check.h"

#include "../src/host.h"

static gm_http_request get(const char *url) {
    gm_http_request request;
    memset(&request, 0, sizeof request);
    request.url = url;
    return request;
}

static void sees_requests_and_gives_answers(void) {
    gm_http_request request = get("http://example.com/x");
    gm_http_response response;
    const gm_json *value;
    request.method = "put";
    request.body = gm_bytes_of("data");
    request.headers = gm_pairs_of("a", "b", NULL);
    gm_test_answer(200, gm_pairs_of("X-Answer", "yes", "retry-after", " 3 ", NULL),
                   "{\"text\":\"longer than a piece\"}");
    CHECK(gm_http_send(&request, &response).kind == GM_OK && gm_http_is_success(&response));
    SAME((const char *)response.body.ptr, "{\"text\":\"longer than a piece\"}");
    SAME(gm_http_header(&response, "x-answer"), "yes");
    CHECK(gm_http_header(&response, "other") == NULL && gm_http_retry_after(&response) == 3000);
    CHECK(gm_http_json(&response, &value).kind == GM_OK && gm_json_is_object(value));
    gm_test_records records = gm_test_take();
    CHECK(records.request_count == 1 && gm_test_same(records.requests[0].body, "data"));
    SAME(records.requests[0].method, "PUT");
    SAME(records.requests[0].headers.items[0].value, "b");
}

static void errors_say_what_to_do(void) {
    gm_http_request request = get("https://example.com:8443/");
    gm_http_response response;
    const gm_json *value;
    gm_error error = gm_http_send(&request, &response);
    CHECK(error.kind == GM_ERROR_FAILED && gm_fail(error).end == GM_END_RETRYABLE);
    SAME(error.message, "the request to `example.com:8443` failed: the test gave no answer; see `gm_test_answer`");
    gm_test_answer_error(GM_ERROR_DENIED);
    error = gm_http_send(&request, &response);
    CHECK(gm_fail(error).end == GM_END_PERMANENT);
    SAME(error.message,
         "the job type does not allow requests to `example.com:8443`; see `allow.http` and the job's log");
    gm_test_answer_error(GM_ERROR_TIMEOUT);
    error = gm_http_send(&request, &response);
    CHECK(gm_fail(error).end == GM_END_RETRYABLE);
    gm_test_answer(200, gm_pairs_of(NULL), "12345678");
    request.max_body = 7;
    error = gm_http_send(&request, &response);
    CHECK(error.kind == GM_ERROR_TOO_LARGE && gm_fail(error).end == GM_END_PERMANENT && response.status == 0);
    SAME(error.message, "the response has more than the 7 bytes that the request accepts");
    gm_test_answer(404, gm_pairs_of("retry-after", "Fri, 1 Jan", NULL), "no");
    CHECK(gm_http_send(&request, &response).kind == GM_OK && !gm_http_is_success(&response));
    CHECK(gm_http_retry_after(&response) == GM_NONE);
    error = gm_http_json(&response, &value);
    CHECK(error.kind == GM_ERROR_FAILED && !error.hopeless);
    request.headers = gm_pairs_of("a", "\xFF", NULL);
    error = gm_http_send(&request, &response);
    CHECK(error.kind == GM_ERROR_HEADER && error.hopeless);
    SAME(error.message, "a header cannot be sent: its value is not UTF-8");
}

static void bodies_come_by_pieces(void) {
    gm_http_request request = get("http://example.com");
    gm_http_response response;
    gm_http_stream *stream;
    gm_bytes piece;
    size_t length = 0, pieces = 0;
    gm_test_answer(200, gm_pairs_of(NULL), "0123456789");
    CHECK(gm_http_open(&request, &response, &stream).kind == GM_OK && response.status == 200 && response.body.len == 0);
    for (;; pieces++) {
        CHECK(gm_http_read(stream, &piece).kind == GM_OK);
        if (piece.len == 0) break;
        length += piece.len;
    }
    CHECK(length == 10 && pieces == 2);
    CHECK(gm_http_read(stream, &piece).kind == GM_OK && piece.len == 0);
    gm_http_close(stream);
    gm_test_answer(200, gm_pairs_of(NULL), "0123456789");
    request.max_body = 8;
    CHECK(gm_http_open(&request, &response, &stream).kind == GM_OK);
    CHECK(gm_http_read(stream, &piece).kind == GM_OK && piece.len == 7);
    CHECK(gm_http_read(stream, &piece).kind == GM_ERROR_TOO_LARGE && piece.len == 0);
    /* Left open: what is left is freed with the job. */
    gm_test_answer(200, gm_pairs_of(NULL), "0123456789");
    CHECK(gm_http_open(&request, &response, &stream).kind == GM_OK && gm_http_read(stream, &piece).kind == GM_OK);
}

static void urls(void) {
    static const struct {
        const char *text;
        bool tls;
        const char *authority, *path;
    } good[] = {
        {"https://example.com", true, "example.com", "/"},
        {"HTTP://example.com:8080?q=1", false, "example.com:8080", "/?q=1"},
        {"http://[::1]:80/a/b?c=d#e", false, "[::1]:80", "/a/b?c=d"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        gm_url url;
        CHECK(gm_url_parse(good[i].text, &url) == NULL && url.tls == good[i].tls);
        SAME(url.authority, good[i].authority);
        SAME(url.path, good[i].path);
    }
    static const char *const bad[] = {"ftp://example.com",
                                      "example.com",
                                      "http://",
                                      "https:///path",
                                      "http://user:secret@example.com",
                                      "http://exa mple.com",
                                      "http://b\xC3\xBC"
                                      "cher.example",
                                      "\xC3\xA4",
                                      ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gm_http_request request = get(bad[i]);
        gm_http_response response;
        gm_error error = gm_http_send(&request, &response);
        CHECK(error.kind == GM_ERROR_URL && error.hopeless && strncmp(error.message, "cannot request `", 16) == 0);
    }
    CHECK(gm_test_take().request_count == 0);
}

void test_http(void) {
    sees_requests_and_gives_answers();
    errors_say_what_to_do();
    bodies_come_by_pieces();
    gm_test_take();
    urls();
}
