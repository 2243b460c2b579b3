/* Greets whoever the job names. */
#include <gristmill.h>

#include <string.h>

gm_result gm_handler(const gm_job *job) {
    gm_misfit misfit = {0};
    const char *to = gm_need_string(job->data, "to", &misfit);
    if (misfit.message) return gm_bad_data(&misfit);
    if (strlen(to) == 0) return gm_permanent("there is nobody to greet");
    gm_log_info("greeting", "to", to, NULL);
    gm_writer *value = gm_writer_new();
    gm_put_string(gm_key(gm_begin_object(value), "greeting"), gm_format("Hello %s", to));
    return gm_value(gm_end_object(value));
}
