/* Metrics of the handler's own. */
#include "host.h"

/* A name that is not UTF-8 becomes one that the host counts and drops; as it is it would end the instance. */

void gm_metrics_counter(const char *name, uint64_t value, gm_pairs labels) {
    host_counter(gm_for_people(name), value, gm_pairs_for_people(labels));
}

void gm_metrics_gauge(const char *name, double value, gm_pairs labels) {
    host_gauge(gm_for_people(name), value, gm_pairs_for_people(labels));
}

void gm_metrics_histogram(const char *name, double value, gm_pairs labels) {
    host_histogram(gm_for_people(name), value, gm_pairs_for_people(labels));
}
