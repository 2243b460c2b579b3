/* What the guest's files share. */
#ifndef GUEST_H
#define GUEST_H

#include <gristmill.h>

/* One step that is being done. */
typedef struct call {
    const gm_json *step;
    const gm_job *job;
    gm_writer *out; /* Takes exactly one value, unless the step fails. */
    gm_misfit misfit;
    bool ended; /* The job ends with `end`, whatever follows. */
    gm_result end;
} call;

typedef gm_error operation(call *c);

/* The operation of this name; NULL if it is none of the host's services. */
operation *service_of(const char *name);

/* What a call came to; when it worked, the step's value is null. */
gm_error null_after(call *c, gm_error error);

/* A number of ms, or GM_NONE. */
uint64_t time_of(call *c, const char *key);

const char *text_at(call *c, const char *key);

#endif
