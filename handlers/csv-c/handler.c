/* Turns CSV text (RFC 4180) into an array of objects, with the first line as their keys. */
#include <gristmill.h>

#include <string.h>

/* Rows between two looks at whether to stop, and two reports. */
#define CHUNK 1000

/* Text that is being read. */
typedef struct reader {
    const char *text, *at;
    char separator;
    uint64_t line; /* Where `at` is, from 1. */
} reader;

static bool at_row_end(const reader *r) {
    return *r->at == '\0' || *r->at == '\n' || (r->at[0] == '\r' && r->at[1] == '\n');
}

/* Reads a field in quotes; NULL if they are not closed. */
static const char *quoted(reader *r) {
    const char *close = ++r->at;
    while (*close != '\0' && (*close != '"' || close[1] == '"')) close += *close == '"' ? 2 : 1;
    if (*close == '\0') return NULL;
    char *field = gm_alloc((size_t)(close - r->at) + 1), *end = field;
    for (; r->at < close; r->at++) {
        if (*r->at == '"') r->at++; /* The first of two. */
        if (*r->at == '\n') r->line++;
        *end++ = *r->at;
    }
    r->at++;
    return field;
}

/* Reads a field up to the separator or the end of its row; NULL, with `*wrong`, if it is malformed. */
static const char *field_of(reader *r, const char **wrong) {
    if (*r->at == '"') {
        const char *field = quoted(r);
        if (field == NULL) {
            *wrong = "a quote is not closed";
        } else if (*r->at != r->separator && !at_row_end(r)) {
            *wrong = "something follows a closing quote";
            return NULL;
        }
        return field;
    }
    const char *start = r->at;
    while (*r->at != r->separator && !at_row_end(r)) r->at++;
    return gm_copy(start, (size_t)(r->at - start));
}

/* How many fields the next row has; quoted separators do not count. */
static size_t columns(reader r) {
    size_t count = 1;
    bool inside = false;
    for (; *r.at != '\0' && (inside || !at_row_end(&r)); r.at++) {
        if (*r.at == '"') inside = !inside;
        if (*r.at == r.separator && !inside) count++;
    }
    return count;
}

static gm_result malformed(uint64_t line, const char *wrong) {
    return gm_with_code(gm_permanent(gm_format("at line %llu: %s", (unsigned long long)line, wrong)), "bad-csv");
}

/* Reads one row into `fields`, which has room for `count`; the text that says what is wrong, or NULL. */
static const char *row_of(reader *r, const char **fields, size_t count) {
    const char *wrong = NULL;
    size_t found = columns(*r);
    if (found != count) return gm_format("there are %zu fields, the first line has %zu", found, count);
    for (size_t i = 0; i < count; i++) {
        fields[i] = field_of(r, &wrong);
        if (wrong != NULL) return wrong;
        if (i + 1 < count) r->at++;
    }
    if (*r->at == '\r') r->at++;
    if (*r->at == '\n') {
        r->at++;
        r->line++;
    }
    return NULL;
}

static void report(const reader *r, size_t length) { gm_progress_report((uint64_t)(r->at - r->text), length); }

static gm_result convert(reader *r, uint64_t *rows) {
    size_t length = strlen(r->text), count = columns(*r);
    const char **keys = gm_alloc(count * sizeof *keys), **fields = gm_alloc(count * sizeof *fields);
    const char *wrong = row_of(r, keys, count);
    if (wrong != NULL) return malformed(1, wrong);
    gm_writer *w = gm_begin_array(gm_writer_new());
    while (*r->at != '\0') {
        uint64_t line = r->line;
        wrong = row_of(r, fields, count);
        if (wrong != NULL) return malformed(line, wrong);
        gm_begin_object(w);
        for (size_t i = 0; i < count; i++) gm_put_string(gm_key(w, keys[i]), fields[i]);
        gm_end_object(w);
        if (++*rows % CHUNK != 0) continue;
        report(r, length);
        if (gm_context_cancelled()) {
            const char *message =
                gm_format("stopped after %llu rows: time is up; raise `timeout`", (unsigned long long)*rows);
            return gm_with_code(gm_retryable(message), "out-of-time");
        }
    }
    report(r, length);
    return gm_value(gm_end_array(w));
}

gm_result gm_handler(const gm_job *job) {
    gm_misfit misfit = {0};
    const char *text = gm_need_string(job->data, "text", &misfit);
    const char *separator = gm_maybe_string(job->data, "separator", ",", &misfit);
    if (strlen(separator) != 1 || strchr("\"\r\n", separator[0]) != NULL) {
        gm_misfit_at(&misfit, gm_json_get(job->data, "separator"),
                     "expected one ASCII character, no quote or line break");
    }
    if (misfit.message != NULL) return gm_bad_data(&misfit);
    reader r = {text, text, separator[0], 1};
    uint64_t rows = 0;
    gm_result end = convert(&r, &rows);
    if (end.end == GM_END_VALUE) gm_metrics_counter("csv_rows", rows, gm_pairs_of(NULL));
    return end;
}
