/* Checksums of bytes that come in base64, and whether they are those expected. */
#include <gristmill.h>

#include <string.h>

/* A function that reads bytes by pieces and ends with a text. */
typedef struct algorithm {
    const char *name;
    const char *(*of)(gm_bytes bytes);
} algorithm;

static const char *hex(const uint8_t *bytes, size_t count) {
    static const char digits[] = "0123456789abcdef";
    char *text = gm_alloc(2 * count + 1);
    for (size_t i = 0; i < count; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    return text;
}

static void put32(uint8_t *to, uint32_t word) {
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(word >> (24 - 8 * i));
}

static const char *hex32(uint32_t word) {
    uint8_t bytes[4];
    put32(bytes, word);
    return hex(bytes, sizeof bytes);
}

static const char *crc32(gm_bytes bytes) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= bytes.ptr[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return hex32(~crc);
}

static const char *adler32(gm_bytes bytes) {
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        a = (a + bytes.ptr[i]) % 65521;
        b = (b + a) % 65521;
    }
    return hex32(b << 16 | a);
}

static uint32_t turn(uint32_t word, int by) { return word >> by | word << (32 - by); }

static void sha256_block(uint32_t state[8], const uint8_t *block) {
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    };
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++) {
        const uint8_t *at = block + 4 * i;
        w[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t low = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t high = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + low + w[i - 7] + high;
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t e = turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25);
        uint32_t a = turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22);
        uint32_t one = s[7] + e + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
        uint32_t two = a + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
}

static const char *sha256(gm_bytes bytes) {
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    size_t whole = bytes.len / 64 * 64, rest = bytes.len - whole;
    for (size_t at = 0; at < whole; at += 64) sha256_block(state, bytes.ptr + at);
    /* The rest, a bit, zeros, and the length in bits: one block, or two if they do not fit one. */
    uint8_t end[128] = {0};
    size_t last = rest < 56 ? 64 : 128;
    uint64_t bits = (uint64_t)bytes.len * 8;
    if (rest > 0) memcpy(end, bytes.ptr + whole, rest);
    end[rest] = 0x80;
    put32(end + last - 8, (uint32_t)(bits >> 32));
    put32(end + last - 4, (uint32_t)bits);
    for (size_t at = 0; at < last; at += 64) sha256_block(state, end + at);
    uint8_t digest[32];
    for (int i = 0; i < 8; i++) put32(digest + 4 * i, state[i]);
    return hex(digest, sizeof digest);
}

static int digit_of(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = strchr(digits, c);
    return found == NULL ? -1 : (int)(found - digits);
}

/* Reads base64 with its padding; false if it is none. */
static bool decode(const char *text, gm_bytes *bytes) {
    size_t length = strlen(text), digits = length, count = 0;
    while (digits > 0 && length - digits < 2 && text[digits - 1] == '=') digits--;
    if (length % 4 != 0) return false;
    uint8_t *to = gm_alloc(length / 4 * 3);
    uint32_t kept = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0) return false;
        kept = kept << 6 | (uint32_t)digit;
        if (i % 4 != 0) to[count++] = (uint8_t)(kept >> (6 - 2 * (i % 4)));
    }
    bytes->ptr = to;
    bytes->len = count;
    return true;
}

gm_result gm_handler(const gm_job *job) {
    static const algorithm algorithms[] = {{"sha-256", sha256}, {"crc-32", crc32}, {"adler-32", adler32}};
    gm_misfit misfit = {0};
    const char *text = gm_need_string(job->data, "bytes", &misfit);
    const char *name = gm_maybe_string(job->data, "algorithm", "sha-256", &misfit);
    const char *expected = gm_maybe_string(job->data, "expected", NULL, &misfit);
    const algorithm *chosen = NULL;
    gm_bytes bytes = {NULL, 0};
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        if (strcmp(algorithms[i].name, name) == 0) chosen = &algorithms[i];
    }
    if (chosen == NULL) {
        gm_misfit_at(&misfit, gm_json_get(job->data, "algorithm"), "expected `sha-256`, `crc-32` or `adler-32`");
    }
    if (!decode(text, &bytes)) gm_misfit_at(&misfit, gm_json_get(job->data, "bytes"), "expected base64 with padding");
    if (misfit.message != NULL) return gm_bad_data(&misfit);

    const char *sum = chosen->of(bytes);
    gm_log_debug("summed", "algorithm", name, "bytes", gm_text_of_uint(bytes.len), NULL);
    gm_metrics_counter("checksum_bytes", bytes.len, gm_pairs_of("algorithm", name, NULL));
    if (expected != NULL && strcmp(expected, sum) != 0) {
        const char *message = gm_format("the checksum is %s, expected was %s", sum, expected);
        return gm_with_code(gm_permanent(message), "mismatch");
    }
    gm_writer *w = gm_begin_object(gm_writer_new());
    gm_put_string(gm_key(w, "algorithm"), name);
    gm_put_uint(gm_key(w, "bytes"), bytes.len);
    gm_put_string(gm_key(w, "checksum"), sum);
    return gm_value(gm_end_object(w));
}
