/* As much of URLs as a request needs. */
#include "host.h"

#include <string.h>

/* What follows the scheme; NULL if it is another. */
static const char *after(const char *text, const char *scheme) {
    for (; *scheme != '\0'; scheme++, text++) {
        char c = *text >= 'A' && *text <= 'Z' ? (char)(*text + 32) : *text;
        if (c != *scheme) return NULL;
    }
    return text;
}

const char *gm_url_parse(const char *text, gm_url *url) {
    const char *rest = after(text, "https://");
    url->tls = rest != NULL;
    if (rest == NULL) rest = after(text, "http://");
    if (rest == NULL) return "it does not begin with `http://` or `https://`";
    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7F) return "it has characters that must be percent-encoded";
    }
    size_t length = strcspn(rest, "#"), authority = strcspn(rest, "/?#");
    if (authority == 0) return "it has no host";
    url->authority = gm_copy(rest, authority);
    if (strchr(url->authority, '@') != NULL) return "it has credentials before its host; send them in a header";
    const char *path = gm_copy(rest + authority, length - authority);
    url->path = path[0] == '/' ? path : gm_join("/", path, NULL);
    return NULL;
}
