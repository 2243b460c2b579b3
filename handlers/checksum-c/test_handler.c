#include <gristmill_testing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program with the place of the first check that fails. */
#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

static gm_result call(const char *data) { return gm_test_call(gm_handler, gm_test_job(data)); }

static void known_checksums(void) {
    static const struct {
        const char *data, *checksum;
    } cases[] = {
        /* `printf abc | sha256sum`, and the same of nothing. */
        {"{\"bytes\":\"YWJj\"}", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"{\"bytes\":\"\"}", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        /* 56 bytes: the length does not fit the block of the rest. */
        {"{\"bytes\":\"YWJjZGJjZGVjZGVmZGVmZ2VmZ2hmZ2hpZ2hpamhpamtpamtsamtsbWtsbW5sbW5vbW5vcG5vcHE=\"}",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        /* The usual check of nine digits. */
        {"{\"bytes\":\"MTIzNDU2Nzg5\",\"algorithm\":\"crc-32\"}", "cbf43926"},
        {"{\"bytes\":\"MTIzNDU2Nzg5\",\"algorithm\":\"adler-32\"}", "091e01de"},
        {"{\"bytes\":\"YQ==\",\"algorithm\":\"crc-32\"}", "e8b7be43"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gm_result end = call(cases[i].data);
        const gm_json *value;
        CHECK(end.end == GM_END_VALUE && gm_json_parse(end.value, &value).kind == GM_OK);
        CHECK(strcmp(gm_json_string(gm_json_get(value, "checksum"), NULL), cases[i].checksum) == 0);
    }
}

static void tells_how_much_it_has_summed(void) {
    gm_test_take();
    gm_result end = call("{\"bytes\":\"YWJj\",\"algorithm\":\"adler-32\",\"expected\":\"024d0127\"}");
    CHECK(gm_test_same(end.value, "{\"algorithm\":\"adler-32\",\"bytes\":3,\"checksum\":\"024d0127\"}"));
    gm_test_records records = gm_test_take();
    CHECK(records.metric_count == 1 && records.metrics[0].value == 3);
    CHECK(records.log_count == 1 && records.logs[0].level == GM_LOG_DEBUG);
}

static void another_checksum_is_permanent(void) {
    gm_result end = call("{\"bytes\":\"YWJj\",\"algorithm\":\"crc-32\",\"expected\":\"00000000\"}");
    CHECK(end.end == GM_END_PERMANENT && strcmp(end.code, "mismatch") == 0);
    CHECK(strcmp(end.message, "the checksum is 352441c2, expected was 00000000") == 0);
}

static void bad_data_is_permanent(void) {
    static const struct {
        const char *data, *part;
    } cases[] = {
        {"{}", "missing field `bytes`"},
        {"{\"bytes\":7}", "at `bytes`: expected a string, found 7"},
        {"{\"bytes\":\"YWJ\"}", "at `bytes`: expected base64 with padding"},
        {"{\"bytes\":\"YW=j\"}", "at `bytes`: expected base64 with padding"},
        {"{\"bytes\":\"Y===\"}", "at `bytes`: expected base64 with padding"},
        {"{\"bytes\":\"\",\"algorithm\":\"md5\"}", "at `algorithm`: expected `sha-256`, `crc-32` or `adler-32`"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gm_result end = call(cases[i].data);
        CHECK(end.end == GM_END_PERMANENT && strcmp(end.code, "bad-data") == 0);
        CHECK(strstr(end.message, cases[i].part) != NULL);
    }
}

int main(void) {
    gm_test_begin();
    known_checksums();
    tells_how_much_it_has_summed();
    another_checksum_is_permanent();
    bad_data_is_permanent();
    gm_test_end();
    puts("all tests passed");
    return 0;
}
