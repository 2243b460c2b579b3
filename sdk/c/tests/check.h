/* A small frame for the SDK's own tests. */
#ifndef CHECK_H
#define CHECK_H

#include <gristmill_testing.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program with the place of the first check that fails. */
#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

/* The texts are equal; shows both if not. */
#define SAME(found, expected)                                                         \
    do {                                                                              \
        const char *check_found = (found), *check_expected = (expected);              \
        if (check_found == NULL || strcmp(check_found, check_expected) != 0) {        \
            fprintf(stderr, "%s:%d: found `%s`, expected `%s`\n", __FILE__, __LINE__, \
                    check_found == NULL ? "NULL" : check_found, check_expected);      \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

/* A value that must be JSON. */
static inline const gm_json *parsed(const char *text) {
    const gm_json *value;
    gm_error error = gm_json_parse(gm_bytes_of(text), &value);
    if (error.kind != GM_OK) {
        fprintf(stderr, "`%s`: %s\n", text, error.message);
        exit(1);
    }
    return value;
}

/* What a writer has written, which must be whole. */
static inline const char *text_of(const gm_writer *w) {
    gm_bytes json;
    gm_error error = gm_written(w, &json);
    if (error.kind != GM_OK) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    return gm_copy((const char *)json.ptr, json.len);
}

void test_json_read(void);
void test_json_write(void);
void test_json_random(void);
void test_fit(void);
void test_endings(void);
void test_services(void);
void test_http(void);
void test_memory(void);

#endif
