/* Values that the operator keeps out of job data. */
#include "host.h"

gm_error gm_secrets_get(const char *name, const char **value) {
    *value = NULL;
    gm_error error = gm_check_name("the secret's name", name);
    return error.kind == GM_OK ? host_secret(name, value) : error;
}
