/* What the job shows of its progress, and what it keeps for its next attempt. */
#include "host.h"

void gm_progress_report(uint64_t done, uint64_t total) { host_progress_report(done, total, NULL); }

void gm_progress_report_with(uint64_t done, uint64_t total, const char *message) {
    host_progress_report(done, total, gm_for_people(message));
}

/* Gives a value to the host. */
static gm_error give(const gm_writer *value, gm_error (*take)(gm_bytes json)) {
    gm_bytes json;
    gm_error error = gm_written(value, &json);
    if (error.kind != GM_OK) return gm_refused(GM_PROGRESS, error.kind, 0, error.message);
    return take(json);
}

gm_error gm_progress_set(const gm_writer *value) { return give(value, host_progress_set); }
gm_error gm_progress_save_checkpoint(const gm_writer *value) { return give(value, host_save_checkpoint); }
gm_error gm_progress_update_data(const gm_writer *data) { return give(data, host_update_data); }

gm_error gm_progress_load_checkpoint(const gm_json **value) {
    bool found = false;
    gm_bytes json = {NULL, 0};
    *value = NULL;
    gm_error error = host_load_checkpoint(&found, &json);
    if (error.kind != GM_OK || !found) return error;
    return gm_read_value(GM_PROGRESS, "the checkpoint", json, value);
}
