/* Runs all tests; each starts with a fresh host. */
#include "check.h"

int main(void) {
    static void (*const tests[])(void) = {
        test_json_read, test_json_write, test_json_random, test_fit,
        test_endings,   test_services,   test_http,        test_memory,
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        gm_test_begin();
        tests[i]();
    }
    gm_test_end();
    puts("all tests passed");
    return 0;
}
