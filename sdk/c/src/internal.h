/* What the SDK's files share and handlers do not see. */
#ifndef GM_INTERNAL_H
#define GM_INTERNAL_H

#include <gristmill.h>

/* ---- Memory of one job: `arena.c` ---- */

/* Memory for texts, not aligned and not zeroed. Never NULL. */
char *gm_alloc_text(size_t bytes);

/* Makes an allocation larger, and moves it if need be. `ptr` may be NULL with a size of 0. What is new is not
 * zeroed. */
void *gm_resize(void *ptr, size_t old_size, size_t new_size);

/* Frees memory of malloc, such as the host's, with the job. NULL is fine. */
void gm_adopt(void *ptr);

/* A thing to close when the job ends; `closer` is called once, newest first, unless it was taken out before. */
typedef struct gm_open {
    struct gm_open *next, **link;
    void (*closer)(struct gm_open *open);
} gm_open;

void gm_open_add(gm_open *open, void (*closer)(gm_open *open));
void gm_open_remove(gm_open *open);

/* The job has ended: closes what is open. Its memory stays until gm_free_all, for the host reads the end from it. */
void gm_close_all(void);
void gm_free_all(void);

/* ---- Texts: `text.c` ---- */

/* How many bytes from the start are UTF-8. */
size_t gm_utf8_prefix(const char *text, size_t length);

/* A text for people, `text` itself if it is UTF-8, else a copy with U+FFFD for what is not. NULL: "". */
const char *gm_for_people(const char *text);
gm_pairs gm_pairs_for_people(gm_pairs pairs);

/* The texts one after the other; the last argument is NULL. */
const char *gm_join(const char *first, ...) GM_ENDS_WITH_NULL;

/* Copies memory of malloc to the job's, with a NUL after it, and frees it. */
const char *gm_take_text(void *ptr, size_t length);

/* The nearest double of a number as JSON writes it: `number.c`. Infinite if it is over their range. */
double gm_double_of(const char *text, size_t length);

/* Compares without regard to the case of ASCII letters. */
bool gm_same_name(const char *a, const char *b);

/* ---- Errors: `error.c` ---- */

typedef enum gm_service { GM_PROGRESS, GM_ENQUEUE, GM_STATE, GM_SECRETS, GM_LIMITERS, GM_BREAKERS } gm_service;

extern const gm_error gm_works;

/* What a service said, in words. `why` lives as long as the job; it is NULL for kinds that explain themselves. */
gm_error gm_refused(gm_service service, gm_error_kind kind, uint64_t retry_after_ms, const char *why);

/* An argument that breaks a rule of the SDK's own. Hopeless. */
gm_error gm_invalid(const char *message);

/* GM_OK for a text that the host takes as a key or name. */
gm_error gm_check_name(const char *what, const char *text);

/* A value that a service gave, read; `what` begins the message if it is not JSON. */
gm_error gm_read_value(gm_service service, const char *what, gm_bytes text, const gm_json **value);

/* ---- JSON ---- */

struct gm_json {
    uint8_t type;   /* gm_json_type */
    bool flag;      /* A bool's value; of a string: there is a NUL inside. */
    uint32_t count; /* Bytes of a string or number, items or members of the others. */
    uint32_t index; /* Its place in `parent`. */
    uint32_t key_length;
    const char *key; /* NULL unless it is a member. */
    struct gm_json *parent;
    union {
        const char *text;      /* A string, with a NUL after it, or a number, without. */
        struct gm_json *items; /* Items or members. */
    } is;
};

/* ---- Endings: `run.c` ---- */

/* Runs a handler as the host does: reads the data, and makes sure of the end. `job->data` is set here. */
gm_result gm_run(gm_job *job, gm_result (*handler)(const gm_job *job));

#endif
