/* Outgoing HTTP. */
#include "host.h"

#include <stdlib.h>
#include <string.h>

/* Whether it would come again in every attempt. */
static bool hopeless(gm_error_kind kind) { return kind != GM_ERROR_TIMEOUT && kind != GM_ERROR_FAILED; }

static const char *words(gm_error_kind kind, const char *host, const char *detail) {
    switch (kind) {
    case GM_ERROR_URL: return gm_join("cannot request `", host, "`: ", detail, NULL);
    case GM_ERROR_HEADER: return gm_join("a header cannot be sent: ", detail, NULL);
    case GM_ERROR_DENIED:
        return gm_join("the job type does not allow requests to `", host, "`; see `allow.http` and the job's log",
                       NULL);
    case GM_ERROR_TIMEOUT: return gm_join("`", host, "` took too long to answer", NULL);
    case GM_ERROR_TOO_LARGE:
        return gm_join("the response has more than the ", detail, " bytes that the request accepts", NULL);
    default: return gm_join("the request to `", host, "` failed: ", detail, NULL);
    }
}

gm_error gm_http_refused(gm_error_kind kind, const char *host, const char *detail) {
    gm_error error = {kind, hopeless(kind), 0, words(kind, host, detail)};
    return error;
}

/* What can be said without the host: the URL, and that headers are texts. */
static gm_error check(const gm_http_request *request, gm_url *url) {
    const char *text = request->url == NULL ? "" : request->url;
    const char *wrong = gm_url_parse(text, url);
    if (wrong != NULL) return gm_http_refused(GM_ERROR_URL, gm_for_people(text), wrong);
    gm_error error = gm_check_name("the method", request->method == NULL ? "GET" : request->method);
    if (error.kind != GM_OK) return error;
    for (size_t i = 0; i < request->headers.count; i++) {
        error = gm_check_name("its name", request->headers.items[i].name);
        if (error.kind == GM_OK) error = gm_check_name("its value", request->headers.items[i].value);
        if (error.kind != GM_OK) return gm_http_refused(GM_ERROR_HEADER, "", error.message);
    }
    return gm_works;
}

static void close_stream(gm_open *open) {
    gm_http_stream *stream = (gm_http_stream *)(void *)open;
    free(stream->piece);
    stream->piece = NULL;
    host_http_close(stream);
}

/* Sends with a method in capitals. */
static gm_error send_as(const gm_http_request *request, const gm_url *url, gm_http_response *response,
                        gm_http_stream *stream) {
    gm_http_request sent = *request;
    const char *method = request->method == NULL ? "GET" : request->method;
    char *capitals = gm_copy(method, strlen(method));
    for (char *c = capitals; *c != '\0'; c++) {
        if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 32);
    }
    sent.method = capitals;
    return host_http_open(&sent, url, response, stream);
}

static gm_error open_stream(const gm_http_request *request, size_t max, gm_http_response *response,
                            gm_http_stream **stream) {
    static const gm_http_response nothing = {0, {NULL, 0}, {NULL, 0}};
    gm_url url;
    *response = nothing;
    *stream = NULL;
    gm_error error = check(request, &url);
    if (error.kind != GM_OK) return error;
    gm_http_stream *made = (gm_http_stream *)gm_alloc(sizeof *made);
    made->host = url.authority;
    made->left = made->max = max;
    error = send_as(request, &url, response, made);
    if (error.kind != GM_OK) {
        *response = nothing;
        return error;
    }
    gm_open_add(&made->open, close_stream);
    *stream = made;
    return error;
}

gm_error gm_http_open(const gm_http_request *request, gm_http_response *response, gm_http_stream **stream) {
    return open_stream(request, request->max_body == 0 ? SIZE_MAX : request->max_body, response, stream);
}

void gm_http_close(gm_http_stream *stream) {
    if (stream == NULL || stream->open.link == NULL) return;
    gm_open_remove(&stream->open);
    close_stream(&stream->open);
}

gm_error gm_http_read(gm_http_stream *stream, gm_bytes *piece) {
    uint8_t *ptr = NULL;
    size_t len = 0;
    piece->ptr = NULL;
    piece->len = 0;
    if (stream == NULL || stream->open.link == NULL) return gm_works;
    free(stream->piece);
    stream->piece = NULL;
    gm_error error = host_http_read(stream, &ptr, &len);
    stream->piece = ptr;
    if (error.kind == GM_OK && len > stream->left) {
        error = gm_http_refused(GM_ERROR_TOO_LARGE, stream->host, gm_text_of_uint(stream->max));
    }
    if (error.kind != GM_OK || len == 0) {
        gm_http_close(stream);
        return error;
    }
    stream->left -= len;
    piece->ptr = ptr;
    piece->len = len;
    return error;
}

gm_error gm_http_send(const gm_http_request *request, gm_http_response *response) {
    gm_http_stream *stream;
    size_t max = request->max_body == 0 ? GM_HTTP_MAX_BODY : request->max_body;
    gm_error error = open_stream(request, max, response, &stream);
    if (error.kind != GM_OK) return error;
    size_t used = 0, room = 4096;
    char *body = (char *)gm_resize(NULL, 0, room);
    for (gm_bytes piece;;) {
        error = gm_http_read(stream, &piece);
        if (error.kind != GM_OK) {
            gm_http_response nothing = {0, {NULL, 0}, {NULL, 0}};
            *response = nothing;
            return error;
        }
        if (piece.len == 0) break;
        size_t grown = room;
        while (grown - used <= piece.len) grown *= 2;
        if (grown > room) body = (char *)gm_resize(body, room, grown);
        room = grown;
        memcpy(body + used, piece.ptr, piece.len);
        used += piece.len;
    }
    body[used] = '\0';
    response->body.ptr = (const uint8_t *)body;
    response->body.len = used;
    return error;
}

bool gm_http_is_success(const gm_http_response *response) { return response->status >= 200 && response->status < 300; }

const char *gm_http_header(const gm_http_response *response, const char *name) {
    for (size_t i = 0; i < response->headers.count; i++) {
        if (gm_same_name(response->headers.items[i].name, name)) return response->headers.items[i].value;
    }
    return NULL;
}

uint64_t gm_http_retry_after(const gm_http_response *response) {
    const char *text = gm_http_header(response, "retry-after");
    if (text == NULL) return GM_NONE;
    while (*text == ' ' || *text == '\t') text++;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 15 || text[digits + strspn(text + digits, " \t")] != '\0') return GM_NONE;
    uint64_t seconds = 0;
    for (size_t i = 0; i < digits; i++) seconds = seconds * 10 + (uint64_t)(text[i] - '0');
    return seconds * 1000;
}

gm_error gm_http_json(const gm_http_response *response, const gm_json **value) {
    gm_error error = gm_json_parse(response->body, value);
    if (error.kind == GM_OK) return error;
    gm_error bad = {GM_ERROR_FAILED, false, 0, gm_join("the response's body is not JSON: ", error.message, NULL)};
    return bad;
}
