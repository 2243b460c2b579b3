/* What the host of tests remembers and will answer. All of it lives in the memory of the test. */
#ifndef GM_RECORDER_H
#define GM_RECORDER_H

#include "host.h"

#include <gristmill_testing.h>

/* A growing list of `type`. */
#define LIST(type)    \
    struct {          \
        type *items;  \
        size_t count; \
    }

/* Adds room for one more and gives it, zeroed. Tests are small: no room is kept. */
#define APPEND(list) \
    ((list).items = gm_test_grow((list).items, (list).count, sizeof *(list).items), &(list).items[(list).count++])

void *gm_test_grow(void *items, size_t count, size_t size);

typedef struct answer {
    gm_error_kind kind;
    gm_http_response response;
} answer;

/* A name with what the test has set for it. */
typedef struct setting {
    const char *name;
    const char *text; /* Of a secret. */
    uint64_t number;  /* Units of a limiter; 1 for a closed breaker. */
} setting;

typedef struct entry {
    const char *key;
    gm_bytes value;
} entry;

typedef struct recorder {
    LIST(gm_test_line) logs;
    LIST(const char *) progress;
    LIST(gm_test_metric) metrics;
    LIST(gm_http_request) requests;
    LIST(gm_test_added) enqueued;
    LIST(const char *) data;
    LIST(gm_test_guarded) guarded;
    gm_test_context context;
    LIST(answer) answers;
    size_t answered;
    LIST(host_child) children;
    LIST(gm_failed_child) failed_children;
    bool has_checkpoint;
    gm_bytes checkpoint;
    bool away; /* The services that need Redis do not answer. */
    LIST(entry) state;
    LIST(setting) secrets;
    LIST(setting) limiters;
    LIST(setting) breakers;
} recorder;

extern recorder gm_recorder;

#endif
