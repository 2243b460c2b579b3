/* Circuit breakers that all workers share. */
#include "host.h"

static void drop(gm_open *open) { host_drop((gm_permit *)(void *)open); }

gm_error gm_circuit_breaker_enter(const char *breaker, const char *key, gm_permit **permit) {
    int32_t handle = 0;
    *permit = NULL;
    gm_error error = gm_check_name("the breaker's name", breaker);
    if (error.kind == GM_OK) error = gm_check_name("the key", key);
    if (error.kind == GM_OK) error = host_enter(breaker, key, &handle);
    if (error.kind != GM_OK) return error;
    gm_permit *made = (gm_permit *)gm_alloc(sizeof *made);
    made->handle = handle;
    made->breaker = gm_join(breaker, NULL);
    gm_open_add(&made->open, drop);
    *permit = made;
    return error;
}

void gm_circuit_breaker_complete(gm_permit *permit, gm_outcome outcome) {
    if (permit == NULL || permit->open.link == NULL) return;
    gm_open_remove(&permit->open);
    host_complete(permit, outcome);
}

gm_error gm_circuit_breaker_guard(const char *breaker, const char *key, gm_outcome (*call)(void *context),
                                  void *context) {
    gm_permit *permit;
    gm_error error = gm_circuit_breaker_enter(breaker, key, &permit);
    if (error.kind == GM_OK) gm_circuit_breaker_complete(permit, call(context));
    return error;
}
