/* Limiters that all workers share. */
#include "host.h"

static gm_error check(const char *limiter, const char *key) {
    gm_error error = gm_check_name("the limiter's name", limiter);
    return error.kind == GM_OK ? gm_check_name("the key", key) : error;
}

gm_error gm_rate_limit_try_acquire(const char *limiter, const char *key, uint32_t cost) {
    gm_error error = check(limiter, key);
    return error.kind == GM_OK ? host_try_acquire(limiter, key, cost) : error;
}

gm_error gm_rate_limit_acquire(const char *limiter, const char *key, uint32_t cost, uint64_t max_wait_ms,
                               uint64_t *waited_ms) {
    uint64_t waited = 0;
    gm_error error = check(limiter, key);
    if (error.kind == GM_OK) error = host_acquire(limiter, key, cost, max_wait_ms, &waited);
    if (waited_ms != NULL) *waited_ms = waited;
    return error;
}
