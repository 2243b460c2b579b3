/* `wasi:http` as blocking calls. Only this guest waits: its host goes on with other jobs. */
#include "wasm_bindings.h"

/* Few different host functions, each at its simplest: every function that a handler imports costs each of its instances
 * some time, whether it is called or not. */

/* Bytes that one blocking write takes at most. */
#define WRITE 4096
/* Bytes to ask for in one read. */
#define READ 65536

typedef wasi_http_types_error_code_t error_code;

/* What the host holds of a response that is being read. */
typedef struct reading {
    wasi_http_types_own_incoming_response_t response;
    wasi_http_types_own_incoming_body_t body;
    wasi_io_streams_own_input_stream_t stream;
} reading;

/* An error code in words; those that no user can act on keep their name. */
static const char *words(const error_code *code) {
    static const char *const names[] = {
        "DNS-timeout",
        "DNS-error",
        "destination-not-found",
        "destination-unavailable",
        "destination-IP-prohibited",
        "destination-IP-unroutable",
        "connection-refused",
        "connection-terminated",
        "connection-timeout",
        "connection-read-timeout",
        "connection-write-timeout",
        "connection-limit-reached",
        "TLS-protocol-error",
        "TLS-certificate-error",
        "TLS-alert-received",
        "HTTP-request-denied",
        "HTTP-request-length-required",
        "HTTP-request-body-size",
        "HTTP-request-method-invalid",
        "HTTP-request-URI-invalid",
        "HTTP-request-URI-too-long",
        "HTTP-request-header-section-size",
        "HTTP-request-header-size",
        "HTTP-request-trailer-section-size",
        "HTTP-request-trailer-size",
        "HTTP-response-incomplete",
        "HTTP-response-header-section-size",
        "HTTP-response-header-size",
        "HTTP-response-body-size",
        "HTTP-response-trailer-section-size",
        "HTTP-response-trailer-size",
        "HTTP-response-transfer-coding",
        "HTTP-response-content-coding",
        "HTTP-response-timeout",
        "HTTP-upgrade-failed",
        "HTTP-protocol-error",
        "loop-detected",
        "configuration-error",
    };
    switch (code->tag) {
    case WASI_HTTP_TYPES_ERROR_CODE_DNS_ERROR:
    case WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_NOT_FOUND: return "there is no such name";
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_REFUSED: return "the connection was refused";
    case WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_UNAVAILABLE:
    case WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_UNROUTABLE: return "it cannot be reached";
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED: return "the connection was cut";
    case WASI_HTTP_TYPES_ERROR_CODE_TLS_PROTOCOL_ERROR:
    case WASI_HTTP_TYPES_ERROR_CODE_TLS_CERTIFICATE_ERROR:
    case WASI_HTTP_TYPES_ERROR_CODE_TLS_ALERT_RECEIVED: return "TLS failed; is its certificate valid?";
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR: return "it does not speak HTTP";
    case WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR:
        return code->val.internal_error.is_some ? taken(code->val.internal_error.val) : "internal-error";
    default: return code->tag < sizeof names / sizeof *names ? names[code->tag] : "unknown error";
    }
}

static gm_error failed(const char *host, const error_code *code) {
    switch (code->tag) {
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED: return gm_http_refused(GM_ERROR_DENIED, host, "");
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_READ_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_WRITE_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_DNS_TIMEOUT: return gm_http_refused(GM_ERROR_TIMEOUT, host, "");
    default: return gm_http_refused(GM_ERROR_FAILED, host, words(code));
    }
}

static gm_error broken(const char *host, const char *reason) { return gm_http_refused(GM_ERROR_FAILED, host, reason); }

static wasi_http_types_method_t method_of(const char *name) {
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    wasi_http_types_method_t method;
    memset(&method, 0, sizeof method);
    method.tag = WASI_HTTP_TYPES_METHOD_OTHER;
    method.val.other = lent(name);
    for (uint8_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0) method.tag = i;
    }
    return method;
}

static gm_error headers_of(const gm_http_request *request, wasi_http_types_own_fields_t *headers) {
    wasi_http_types_list_tuple2_field_key_field_value_t list = {NULL, 0};
    list.ptr = gm_alloc((request->headers.count + 1) * sizeof *list.ptr);
    for (size_t i = 0; i <= request->headers.count; i++) {
        gm_pair length = {"content-length", gm_text_of_uint(request->body.len)};
        bool last = i == request->headers.count;
        const gm_pair *pair = last ? &length : &request->headers.items[i];
        if (last ? request->body.len == 0 : gm_same_name(pair->name, "content-length")) continue;
        list.ptr[list.len].f0 = lent(pair->name);
        list.ptr[list.len].f1.ptr = (uint8_t *)pair->value;
        list.ptr[list.len++].f1.len = strlen(pair->value);
    }
    wasi_http_types_header_error_t error;
    if (wasi_http_types_static_fields_from_list(&list, headers, &error)) return gm_works;
    const char *why = error.tag == WASI_HTTP_TYPES_HEADER_ERROR_FORBIDDEN
                          ? "the host sets one of the headers itself"
                          : "a name or a value has characters that headers cannot have";
    return gm_http_refused(GM_ERROR_HEADER, "", why);
}

static gm_error outgoing_of(const gm_http_request *request, const gm_url *url,
                            wasi_http_types_own_outgoing_request_t *outgoing,
                            wasi_http_types_own_outgoing_body_t *body) {
    wasi_http_types_own_fields_t headers;
    gm_error error = headers_of(request, &headers);
    if (error.kind != GM_OK) return error;
    *outgoing = wasi_http_types_constructor_outgoing_request(headers);
    wasi_http_types_borrow_outgoing_request_t it = wasi_http_types_borrow_outgoing_request(*outgoing);
    wasi_http_types_method_t method = method_of(request->method);
    wasi_http_types_scheme_t scheme = {url->tls ? WASI_HTTP_TYPES_SCHEME_HTTPS : WASI_HTTP_TYPES_SCHEME_HTTP,
                                       {{NULL, 0}}};
    worker_string_t authority = lent(url->authority), path = lent(url->path);
    if (wasi_http_types_method_outgoing_request_set_method(it, &method) &&
        wasi_http_types_method_outgoing_request_set_scheme(it, &scheme) &&
        wasi_http_types_method_outgoing_request_set_authority(it, &authority) &&
        wasi_http_types_method_outgoing_request_set_path_with_query(it, &path) &&
        wasi_http_types_method_outgoing_request_body(it, body)) {
        return gm_works;
    }
    wasi_http_types_outgoing_request_drop_own(*outgoing);
    return gm_http_refused(GM_ERROR_URL, request->url, "the host does not take it");
}

static wasi_http_types_own_request_options_t options_of(uint64_t timeout_ms) {
    wasi_http_types_own_request_options_t options = wasi_http_types_constructor_request_options();
    wasi_http_types_borrow_request_options_t it = wasi_http_types_borrow_request_options(options);
    uint64_t nanos = timeout_ms > UINT64_MAX / 1000000 ? UINT64_MAX : timeout_ms * 1000000;
    /* A host that takes no timeouts leaves the attempt's own limit. */
    wasi_http_types_method_request_options_set_connect_timeout(it, &nanos);
    wasi_http_types_method_request_options_set_first_byte_timeout(it, &nanos);
    wasi_http_types_method_request_options_set_between_bytes_timeout(it, &nanos);
    return options;
}

/* Writes as much as the other side takes. A body that is not taken to its end fails later: the answer says why. */
static void write_body(wasi_http_types_own_outgoing_body_t body, gm_bytes bytes) {
    wasi_http_types_own_output_stream_t stream;
    wasi_http_types_borrow_outgoing_body_t it = wasi_http_types_borrow_outgoing_body(body);
    if (bytes.len > 0 && wasi_http_types_method_outgoing_body_write(it, &stream)) {
        bool taken_so_far = true;
        for (size_t at = 0; at < bytes.len && taken_so_far; at += WRITE) {
            worker_list_u8_t part = {(uint8_t *)bytes.ptr + at, bytes.len - at < WRITE ? bytes.len - at : WRITE};
            wasi_io_streams_stream_error_t error;
            wasi_io_streams_borrow_output_stream_t to = wasi_io_streams_borrow_output_stream(stream);
            taken_so_far = wasi_io_streams_method_output_stream_blocking_write_and_flush(to, &part, &error);
            if (!taken_so_far) wasi_io_streams_stream_error_free(&error);
        }
        wasi_io_streams_output_stream_drop_own(stream);
    }
    error_code error;
    if (!wasi_http_types_static_outgoing_body_finish(body, NULL, &error)) wasi_http_types_error_code_free(&error);
}

static gm_error wait_for(wasi_http_types_own_future_incoming_response_t pending, const char *host,
                         wasi_http_types_own_incoming_response_t *response) {
    wasi_http_types_borrow_future_incoming_response_t it = wasi_http_types_borrow_future_incoming_response(pending);
    wasi_io_poll_own_pollable_t ready = wasi_http_types_method_future_incoming_response_subscribe(it);
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(ready));
    wasi_io_poll_pollable_drop_own(ready);
    wasi_http_types_result_result_own_incoming_response_error_code_void_t result;
    bool there = wasi_http_types_method_future_incoming_response_get(it, &result) && !result.is_err;
    wasi_http_types_future_incoming_response_drop_own(pending);
    if (!there) return broken(host, "the response was taken already");
    if (result.val.ok.is_err) return failed(host, &result.val.ok.val.err);
    *response = result.val.ok.val.ok;
    return gm_works;
}

static gm_pairs received(wasi_http_types_own_incoming_response_t response) {
    wasi_http_types_own_headers_t headers =
        wasi_http_types_method_incoming_response_headers(wasi_http_types_borrow_incoming_response(response));
    wasi_http_types_list_tuple2_field_key_field_value_t list;
    wasi_http_types_method_fields_entries(wasi_http_types_borrow_fields(headers), &list);
    wasi_http_types_fields_drop_own(headers);
    gm_pair *items = gm_alloc(list.len * sizeof *items);
    for (size_t i = 0; i < list.len; i++) {
        items[i].name = taken(list.ptr[i].f0);
        items[i].value = gm_for_people(gm_take_text(list.ptr[i].f1.ptr, list.ptr[i].f1.len));
    }
    if (list.len > 0) gm_adopt(list.ptr);
    gm_pairs pairs = {items, list.len};
    return pairs;
}

static gm_error begin_reading(reading *own, const char *host) {
    wasi_http_types_borrow_incoming_response_t response = wasi_http_types_borrow_incoming_response(own->response);
    if (wasi_http_types_method_incoming_response_consume(response, &own->body)) {
        wasi_http_types_borrow_incoming_body_t body = wasi_http_types_borrow_incoming_body(own->body);
        if (wasi_http_types_method_incoming_body_stream(body, &own->stream)) return gm_works;
        wasi_http_types_incoming_body_drop_own(own->body);
    }
    wasi_http_types_incoming_response_drop_own(own->response);
    return broken(host, "the response was read already");
}

gm_error host_http_open(const gm_http_request *request, const gm_url *url, gm_http_response *response,
                        gm_http_stream *stream) {
    wasi_http_types_own_outgoing_request_t outgoing;
    wasi_http_types_own_outgoing_body_t body;
    gm_error error = outgoing_of(request, url, &outgoing, &body);
    if (error.kind != GM_OK) return error;
    wasi_http_types_own_request_options_t options;
    if (request->timeout_ms > 0) options = options_of(request->timeout_ms);
    wasi_http_types_own_future_incoming_response_t pending;
    error_code code;
    if (!wasi_http_outgoing_handler_handle(outgoing, request->timeout_ms > 0 ? &options : NULL, &pending, &code)) {
        wasi_http_types_outgoing_body_drop_own(body);
        return failed(url->authority, &code);
    }
    write_body(body, request->body);
    reading *own = gm_alloc(sizeof *own);
    error = wait_for(pending, url->authority, &own->response);
    if (error.kind != GM_OK) return error;
    response->status =
        wasi_http_types_method_incoming_response_status(wasi_http_types_borrow_incoming_response(own->response));
    response->headers = received(own->response);
    stream->own = own;
    return begin_reading(own, url->authority);
}

gm_error host_http_read(gm_http_stream *stream, uint8_t **ptr, size_t *len) {
    reading *own = stream->own;
    worker_list_u8_t piece = {NULL, 0};
    wasi_io_streams_stream_error_t error;
    *ptr = NULL;
    *len = 0;
    /* A host may give nothing before the end; that is no end. */
    while (piece.len == 0) {
        wasi_io_streams_borrow_input_stream_t it = wasi_io_streams_borrow_input_stream(own->stream);
        if (wasi_io_streams_method_input_stream_blocking_read(it, READ, &piece, &error)) continue;
        if (error.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED) return gm_works;
        worker_string_t why;
        wasi_io_streams_own_error_t cause = error.val.last_operation_failed;
        wasi_io_error_method_error_to_debug_string(wasi_io_error_borrow_error(cause), &why);
        wasi_io_error_error_drop_own(cause);
        return broken(stream->host, taken(why));
    }
    *ptr = piece.ptr;
    *len = piece.len;
    return gm_works;
}

void host_http_close(gm_http_stream *stream) {
    reading *own = stream->own;
    wasi_io_streams_input_stream_drop_own(own->stream);
    wasi_http_types_incoming_body_drop_own(own->body);
    wasi_http_types_incoming_response_drop_own(own->response);
}
