/* Between the SDK's types and those of the generated bindings. */
#ifndef GM_BINDINGS_H
#define GM_BINDINGS_H

#include "host.h"

#include <string.h>

#include "worker.h"

/* The host only reads what it is given; the bindings' types do not say so. */
static inline worker_string_t lent(const char *text) {
    worker_string_t out = {(uint8_t *)text, strlen(text)};
    return out;
}

/* NULL: none. */
static inline worker_option_string_t maybe_lent(const char *text) {
    worker_option_string_t out = {text != NULL, {NULL, 0}};
    if (text != NULL) out.val = lent(text);
    return out;
}

static inline worker_list_u8_t lent_bytes(gm_bytes bytes) {
    worker_list_u8_t out = {(uint8_t *)bytes.ptr, bytes.len};
    return out;
}

static inline const char *taken(worker_string_t text) { return gm_take_text(text.ptr, text.len); }

static inline gm_bytes taken_bytes(worker_list_u8_t list) {
    gm_bytes bytes = {list.ptr, list.len};
    /* An empty list has no memory; its pointer is not one of malloc. */
    if (list.len > 0) gm_adopt(list.ptr);
    return bytes;
}

/* A time that may be left out. */
static inline uint64_t *maybe_time(uint64_t *time) { return *time == GM_NONE ? NULL : time; }

gristmill_job_types_attributes_t gm_lent_pairs(gm_pairs pairs);
gm_pairs gm_taken_pairs(gristmill_job_types_attributes_t list);

#endif
