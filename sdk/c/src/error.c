/* Errors in words, and which of them would come again in every attempt. */
#include "internal.h"

#include <string.h>

const gm_error gm_works = {GM_OK, false, 0, ""};

const char *gm_error_name(gm_error_kind kind) {
    switch (kind) {
    case GM_OK: return "ok";
    case GM_ERROR_LIMITED: return "limited";
    case GM_ERROR_OPEN: return "open";
    case GM_ERROR_UNKNOWN_LIMITER: return "unknown-limiter";
    case GM_ERROR_UNKNOWN_BREAKER: return "unknown-breaker";
    case GM_ERROR_DENIED: return "denied";
    case GM_ERROR_INVALID: return "invalid";
    case GM_ERROR_TOO_LARGE: return "too-large";
    case GM_ERROR_QUOTA_EXCEEDED: return "quota-exceeded";
    case GM_ERROR_UNAVAILABLE: return "unavailable";
    case GM_ERROR_URL: return "url";
    case GM_ERROR_HEADER: return "header";
    case GM_ERROR_TIMEOUT: return "timeout";
    case GM_ERROR_FAILED: return "failed";
    }
    return "unknown";
}

static const char *denied(gm_service service, const char *why) {
    switch (service) {
    case GM_SECRETS: return "the job type does not allow this secret: list it in `allow.secrets`";
    case GM_LIMITERS: return "the job type does not allow this limiter: list it in `allow.limiters`";
    case GM_BREAKERS: return "the job type does not allow this breaker: list it in `allow.breakers`";
    default: return why;
    }
}

static const char *unavailable(gm_service service, const char *why) {
    switch (service) {
    case GM_SECRETS: return gm_join("the secret cannot be read: ", why, NULL);
    case GM_LIMITERS: return gm_join("the limiter cannot be asked: ", why, NULL);
    case GM_BREAKERS: return gm_join("the breaker cannot be asked: ", why, NULL);
    case GM_PROGRESS: return why;
    default: return gm_join("Redis did not answer: ", why, NULL);
    }
}

static const char *words(gm_service service, gm_error_kind kind, uint64_t retry_after_ms, const char *why) {
    switch (kind) {
    case GM_ERROR_LIMITED: return gm_join("the limiter has no room for ", gm_text_of_uint(retry_after_ms), " ms", NULL);
    case GM_ERROR_OPEN: return gm_join("the breaker is open for ", gm_text_of_uint(retry_after_ms), " ms", NULL);
    case GM_ERROR_UNKNOWN_LIMITER: return "no limiter has this name: define it as `[limiters.NAME]`";
    case GM_ERROR_UNKNOWN_BREAKER: return "no breaker has this name: define it as `[breakers.NAME]`";
    case GM_ERROR_DENIED: return denied(service, why);
    case GM_ERROR_TOO_LARGE: return "the value is too large";
    case GM_ERROR_QUOTA_EXCEEDED:
        return service == GM_STATE ? "the job type has as many keys, or the attempt has made as many calls, as it may"
                                   : "the attempt has added as many jobs as it may";
    case GM_ERROR_UNAVAILABLE: return unavailable(service, why);
    default: return why;
    }
}

/* Whether it may be otherwise in another attempt. */
static bool may_pass(gm_service service, gm_error_kind kind) {
    if (kind == GM_ERROR_UNAVAILABLE || service == GM_PROGRESS) return true;
    return service == GM_STATE && kind == GM_ERROR_QUOTA_EXCEEDED;
}

gm_error gm_refused(gm_service service, gm_error_kind kind, uint64_t retry_after_ms, const char *why) {
    gm_error error = {kind, !may_pass(service, kind), retry_after_ms, words(service, kind, retry_after_ms, why)};
    if (error.message == NULL) error.message = "";
    return error;
}

gm_error gm_invalid(const char *message) {
    gm_error error = {GM_ERROR_INVALID, true, 0, message};
    return error;
}

gm_error gm_check_name(const char *what, const char *text) {
    if (text == NULL) return gm_invalid(gm_join(what, " is NULL", NULL));
    size_t length = strlen(text);
    if (gm_utf8_prefix(text, length) == length) return gm_works;
    return gm_invalid(gm_join(what, " is not UTF-8", NULL));
}

gm_error gm_read_value(gm_service service, const char *what, gm_bytes text, const gm_json **value) {
    gm_error error = gm_json_parse(text, value);
    if (error.kind == GM_OK) return error;
    return gm_refused(service, GM_ERROR_INVALID, 0, gm_join(what, " holds something else: ", error.message, NULL));
}
