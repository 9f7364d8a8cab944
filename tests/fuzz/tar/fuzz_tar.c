/* Any bytes, in pieces of any size: the reader must keep its promises to the sink and end with 0 or -errno.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "checksums.h"
#include "tar.h"

struct witness {
    bool open;
    int64_t reach; /* data comes in order */
    int64_t real_size;
    size_t entries;
};

static void must(bool truth)
{
    if (!truth)
        abort();
}

static int on_entry(void *self, const struct tar_entry *e)
{
    struct witness *w = self;
    size_t bytes = strlen(e->name) + strlen(e->link);

    must(!w->open && e->size >= 0 && e->real_size >= 0 && e->type >= TAR_FILE && e->type <= TAR_FIFO);
    must(e->sparse || e->size == e->real_size);
    must(e->mtime.tv_nsec >= 0 && e->mtime.tv_nsec < 1000000000);
    must(e->type == TAR_FILE || e->type == TAR_DIR || e->size == 0);
    for (size_t i = 0; i < e->xattr_count; i++) {
        bytes += strlen(e->xattrs[i].name);
        for (size_t j = 0; j < e->xattrs[i].value_len; j++)
            bytes += (unsigned char)e->xattrs[i].value[j];
    }
    w->open = true;
    w->reach = 0;
    w->real_size = e->real_size;
    w->entries += bytes < SIZE_MAX;
    return 0;
}

static int on_data(void *self, const char *bytes, size_t length, int64_t offset)
{
    struct witness *w = self;
    volatile char sum = 0;

    must(w->open && length > 0 && offset >= w->reach);
    w->reach = offset + (int64_t)length;
    must(w->reach <= w->real_size);
    for (size_t i = 0; i < length; i++)
        sum ^= bytes[i];
    return 0;
}

static int on_end(void *self)
{
    struct witness *w = self;
    must(w->open);
    w->open = false;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct witness w = {0};
    struct tar_reader *r = malloc(sizeof(*r));
    char *bytes = malloc(size + 1);
    size_t at = 1, piece;
    int rc = 0;

    if (size < 1)
        goto out;
    memcpy(bytes, data, size);
    mend_checksums(bytes + 1, size - 1);
    piece = (size_t)(unsigned char)bytes[0] * 7 + 1;
    tar_reader_init(r, (struct tar_sink){.self = &w, .entry = on_entry, .data = on_data, .end = on_end});
    for (; at < size && rc == 0; at += piece) {
        /* A copy of its own size, so that reading past the piece is seen. */
        size_t length = piece < size - at ? piece : size - at;
        char *copy = malloc(length);
        memcpy(copy, bytes + at, length);
        rc = tar_feed(r, copy, length);
        free(copy);
    }
    if (rc == 0)
        rc = tar_finish(r);
    must(rc <= 0 && (rc != -EBADMSG || r->problem));
    must(rc || !w.open);
    tar_reader_free(r);
out:
    free(bytes);
    free(r);
    return 0;
}
