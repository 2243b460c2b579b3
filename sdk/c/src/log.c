/* Lines of the job's log. */
#include "host.h"

#include <stdarg.h>

void gm_log_write(gm_level level, const char *message, gm_pairs fields) {
    host_log(level, gm_for_people(message), gm_pairs_for_people(fields));
}

static void write_list(gm_level level, const char *message, va_list list) {
    if (!gm_log_enabled(level)) return;
    va_list again;
    va_copy(again, list);
    size_t texts = 0;
    while (va_arg(again, const char *) != NULL) texts++;
    va_end(again);
    gm_pair *items = (gm_pair *)gm_alloc((texts + 1) / 2 * sizeof *items);
    for (size_t i = 0; i < texts; i++) {
        const char *text = va_arg(list, const char *);
        *(i % 2 == 0 ? &items[i / 2].name : &items[i / 2].value) = text;
    }
    gm_pairs fields = {items, (texts + 1) / 2};
    gm_log_write(level, message, fields);
}

#define WRITES_AT(function, level)            \
    void function(const char *message, ...) { \
        va_list list;                         \
        va_start(list, message);              \
        write_list(level, message, list);     \
        va_end(list);                         \
    }

WRITES_AT(gm_log_trace, GM_LOG_TRACE)
WRITES_AT(gm_log_debug, GM_LOG_DEBUG)
WRITES_AT(gm_log_info, GM_LOG_INFO)
WRITES_AT(gm_log_warn, GM_LOG_WARN)
WRITES_AT(gm_log_error, GM_LOG_ERROR)
