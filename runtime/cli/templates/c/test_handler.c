#include <gristmill_testing.h>

#include <assert.h>
#include <string.h>

int main(void) {
    gm_test_begin();
    gm_result end = gm_test_call(gm_handler, gm_test_job("{\"to\":\"Ada\"}"));
    assert(end.end == GM_END_VALUE && gm_test_same(end.value, "{\"greeting\":\"Hello Ada\"}"));
    assert(strcmp(gm_test_take().logs[0].message, "greeting") == 0);

    end = gm_test_call(gm_handler, gm_test_job("{\"to\":\"\"}"));
    assert(end.end == GM_END_PERMANENT && strcmp(end.message, "there is nobody to greet") == 0);
    gm_test_end();
    return 0;
}
