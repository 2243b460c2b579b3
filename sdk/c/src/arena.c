/* Memory that lives as long as a job, and things that are closed when it ends. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of a block that small allocations share. Tests set 4: each has a block of its own, so that a sanitizer sees
 * what reaches past it. */
#ifndef GM_ARENA_BLOCK
#define GM_ARENA_BLOCK 16384
#endif

/* From here on an allocation has a block of its own, and grows by realloc without a copy left behind. */
#define LARGE (GM_ARENA_BLOCK / 4)

#define ALIGN ((size_t)16)

/* Before the bytes that it holds. */
typedef struct block {
    struct block *next, *before;
    size_t size, used;
} block;

#define HEADER ((sizeof(block) + ALIGN - 1) / ALIGN * ALIGN)

typedef struct adopted {
    struct adopted *next;
    void *ptr;
} adopted;

static block *shared; /* Blocks of small allocations; the newest is being filled. */
static block *large;  /* Blocks of one allocation each. */
static adopted *foreign;
static gm_open *open_things;

static void *bytes_of(block *b) { return (char *)b + HEADER; }

/* There is nothing to do without memory: the instance ends, and the host sees what it was denied. */
static block *block_of(block *old, size_t size) {
    block *b = size > SIZE_MAX - HEADER ? NULL : (block *)realloc(old, HEADER + size);
    if (b == NULL) abort();
    b->size = size;
    return b;
}

static void *alloc(size_t bytes, size_t align) {
    if (bytes >= LARGE) {
        block *b = block_of(NULL, bytes);
        b->before = NULL;
        b->next = large;
        if (large != NULL) large->before = b;
        large = b;
        return bytes_of(b);
    }
    size_t start = shared == NULL ? 0 : (shared->used + align - 1) / align * align;
    if (shared == NULL || start > shared->size || shared->size - start < bytes) {
        block *b = block_of(NULL, GM_ARENA_BLOCK);
        b->before = NULL;
        b->next = shared;
        shared = b;
        start = 0;
    }
    shared->used = start + bytes;
    return (char *)bytes_of(shared) + start;
}

void *gm_alloc(size_t bytes) { return memset(alloc(bytes, ALIGN), 0, bytes); }

char *gm_alloc_text(size_t bytes) { return (char *)alloc(bytes, 1); }

void *gm_resize(void *ptr, size_t old_size, size_t new_size) {
    if (ptr == NULL || old_size < LARGE) {
        void *moved = alloc(new_size, ALIGN);
        if (old_size > 0) memcpy(moved, ptr, old_size);
        return moved;
    }
    block *b = block_of((block *)(void *)((char *)ptr - HEADER), new_size);
    if (b->before != NULL) {
        b->before->next = b;
    } else {
        large = b;
    }
    if (b->next != NULL) b->next->before = b;
    return bytes_of(b);
}

void gm_adopt(void *ptr) {
    if (ptr == NULL) return;
    adopted *node = (adopted *)alloc(sizeof *node, ALIGN);
    node->ptr = ptr;
    node->next = foreign;
    foreign = node;
}

void gm_open_add(gm_open *open, void (*closer)(gm_open *open)) {
    open->closer = closer;
    open->next = open_things;
    open->link = &open_things;
    if (open_things != NULL) open_things->link = &open->next;
    open_things = open;
}

void gm_open_remove(gm_open *open) {
    if (open->link == NULL) return;
    *open->link = open->next;
    if (open->next != NULL) open->next->link = open->link;
    open->link = NULL;
}

void gm_close_all(void) {
    while (open_things != NULL) {
        gm_open *open = open_things;
        gm_open_remove(open);
        open->closer(open);
    }
}

static void free_blocks(block **list) {
    while (*list != NULL) {
        block *next = (*list)->next;
        free(*list);
        *list = next;
    }
}

void gm_free_all(void) {
    gm_close_all();
    for (; foreign != NULL; foreign = foreign->next) free(foreign->ptr);
    free_blocks(&shared);
    free_blocks(&large);
}
