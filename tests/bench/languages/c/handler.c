/* Gives back its job's data, or parks: what is measured is the SDK and the runtime of the language. */
#include <gristmill.h>

#include <time.h>

gm_result gm_handler(const gm_job *job) {
    const gm_json *step = gm_json_at(gm_json_get(job->data, "steps"), 1);
    double ms;
    if (gm_json_double(gm_json_get(step, "ms"), &ms)) {
        struct timespec time = {(time_t)(ms / 1000), 0};
        gm_log_info("begun", NULL);
        nanosleep(&time, NULL);
    }
    gm_writer *value = gm_begin_object(gm_writer_new());
    gm_put_string(gm_key(value, "id"), job->id);
    gm_put_json(gm_key(value, "data"), job->data);
    return gm_value(gm_end_object(value));
}
