/* The state machine of the reader: which bytes are header, extended header, map, data or padding. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tar.h"

int tar_bad(struct tar_reader *r, const char *problem)
{
    r->problem = problem;
    return -EBADMSG;
}

int tar_buffer_append(struct tar_buffer *b, const char *bytes, size_t length)
{
    /* One more byte than asked for: names are used as C strings. */
    if (b->length + length + 1 > b->capacity) {
        size_t capacity = (b->length + length + 1) * 2;
        char *grown = realloc(b->bytes, capacity);
        if (!grown)
            return -ENOMEM;
        b->bytes = grown;
        b->capacity = capacity;
    }
    memcpy(b->bytes + b->length, bytes, length);
    b->length += length;
    b->bytes[b->length] = '\0';
    return 0;
}

void tar_reader_init(struct tar_reader *r, struct tar_sink sink)
{
    memset(r, 0, sizeof(*r));
    r->sink = sink;
}

void tar_reader_free(struct tar_reader *r)
{
    free(r->pax_text.bytes);
    free(r->long_name.bytes);
    free(r->long_link.bytes);
    free(r->xattrs);
    free(r->segments);
}

static int64_t padding_of(int64_t size)
{
    return -size & (TAR_BLOCK - 1);
}

/* Links, directories and devices have no data, whatever their size field says (old tars wrote one). */
static bool header_only(char type)
{
    return type >= TAR_LINK && type <= TAR_FIFO;
}

static int begin_meta(struct tar_reader *r)
{
    if (r->entry.size > TAR_META_MAX)
        return tar_bad(r, "an extended header is larger than 1 MiB");
    r->meta_type = r->entry.type;
    r->left = r->entry.size;
    r->padding = padding_of(r->left);
    r->state = TAR_IN_META;
    if (r->meta_type == 'L')
        r->long_name.length = 0;
    else if (r->meta_type == 'K')
        r->long_link.length = 0;
    else if (r->meta_type == 'x' || r->meta_type == 'X')
        r->pax_text.length = 0;
    return 0;
}

static int end_meta(struct tar_reader *r)
{
    struct tar_buffer *name = r->meta_type == 'L' ? &r->long_name : &r->long_link;

    r->state = r->padding ? TAR_IN_PADDING : TAR_AT_HEADER;
    switch (r->meta_type) {
    case 'L':
    case 'K':
        /* GNU counts the closing NUL; nothing else may be one. */
        if (name->length)
            name->length = strlen(name->bytes);
        return 0;
    case 'g':
        return 0; /* global headers speak of the archive as a whole; layers take nothing from them */
    }
    r->have_pax = r->pax_text.length > 0;
    return r->have_pax ? tar_pax_parse(r) : 0;
}

static int begin_entry(struct tar_reader *r)
{
    struct tar_entry *e = &r->entry;
    int rc;

    tar_pax_apply(r);
    if (header_only(e->type))
        e->size = e->real_size = 0;
    r->left = e->size;
    r->padding = padding_of(e->size);
    r->state = TAR_IN_DATA;
    if (e->type == TAR_FILE || e->type == '7' || e->type == 'S') {
        rc = tar_sparse_header(r);
        if (rc)
            return rc;
        e->type = TAR_FILE;
    }
    e->trailing_slash = e->name[0] && e->name[strlen(e->name) - 1] == '/';
    /* Before POSIX a directory was a file whose name ended in a slash. */
    r->skip_data = e->type == TAR_FILE && e->trailing_slash;
    if (r->skip_data)
        e->type = TAR_DIR;
    r->entry_open = true;
    return r->sink.entry(r->sink.self, e);
}

static int end_entry(struct tar_reader *r)
{
    int rc = 0;

    if (r->entry.sparse && !r->skip_data)
        rc = tar_sparse_check_end(r);
    if (rc == 0)
        rc = r->sink.end(r->sink.self);
    r->entry_open = false;
    r->have_pax = false;
    r->long_name.length = r->long_link.length = 0;
    r->state = r->padding ? TAR_IN_PADDING : TAR_AT_HEADER;
    return rc;
}

static bool is_zero_block(const char *block)
{
    return block[0] == '\0' && memcmp(block, block + 1, TAR_BLOCK - 1) == 0;
}

static int header_block(struct tar_reader *r)
{
    int rc;

    if (is_zero_block(r->block)) {
        if (++r->zero_blocks == 2)
            r->state = TAR_AT_END;
        return 0;
    }
    if (r->zero_blocks)
        return tar_bad(r, "a header follows a lone block of zeros");
    rc = tar_header_decode(r);
    if (rc)
        return rc;
    switch (r->entry.type) {
    case 'x':
    case 'X':
    case 'g':
    case 'L':
    case 'K':
        return begin_meta(r);
    case TAR_FILE:
    case '7':
    case 'S':
    case TAR_LINK:
    case TAR_SYMLINK:
    case TAR_CHAR:
    case TAR_BLOCKDEV:
    case TAR_DIR:
    case TAR_FIFO:
        return begin_entry(r);
    }
    return tar_bad(r, "the entry's type is not known");
}

static int take_block(struct tar_reader *r, const char *bytes, size_t length, size_t *used)
{
    size_t want = TAR_BLOCK - r->block_fill;

    *used = length < want ? length : want;
    memcpy(r->block + r->block_fill, bytes, *used);
    r->block_fill += *used;
    if (r->block_fill < TAR_BLOCK)
        return 0;
    r->block_fill = 0;
    return r->state == TAR_AT_HEADER ? header_block(r) : tar_sparse_block(r);
}

static int take_meta(struct tar_reader *r, const char *bytes, size_t length)
{
    r->left -= (int64_t)length;
    if (r->meta_type == 'g')
        return 0;
    return tar_buffer_append(r->meta_type == 'L'   ? &r->long_name
                             : r->meta_type == 'K' ? &r->long_link
                                                   : &r->pax_text,
                             bytes, length);
}

static int take_data(struct tar_reader *r, const char *bytes, size_t length)
{
    int64_t offset = r->entry.size - r->left;

    r->left -= (int64_t)length;
    if (r->skip_data)
        return 0;
    if (r->entry.sparse)
        return tar_sparse_data(r, bytes, length);
    return r->sink.data(r->sink.self, bytes, length, offset);
}

static size_t at_most(size_t length, int64_t left)
{
    return (uint64_t)left < length ? (size_t)left : length;
}

/* One piece that belongs to one state. */
static int step(struct tar_reader *r, const char *bytes, size_t length, size_t *used)
{
    switch (r->state) {
    case TAR_AT_HEADER:
    case TAR_IN_SPARSE_BLOCK:
        return take_block(r, bytes, length, used);
    case TAR_IN_SPARSE_TEXT:
        return tar_sparse_text(r, bytes, length, used);
    case TAR_IN_META:
        *used = at_most(length, r->left);
        return take_meta(r, bytes, *used);
    case TAR_IN_DATA:
        *used = at_most(length, r->left);
        return take_data(r, bytes, *used);
    case TAR_IN_PADDING:
        *used = at_most(length, r->padding);
        r->padding -= (int64_t)*used;
        if (r->padding == 0)
            r->state = TAR_AT_HEADER;
        return 0;
    case TAR_AT_END:
        *used = length; /* what follows the end is hashed by the caller, and means nothing */
        return 0;
    }
    return -EINVAL;
}

int tar_feed(struct tar_reader *r, const char *bytes, size_t length)
{
    while (length > 0) {
        size_t used = 0;
        int rc = step(r, bytes, length, &used);

        bytes += used;
        length -= used;
        if (rc == 0 && r->state == TAR_IN_META && r->left == 0)
            rc = end_meta(r);
        if (rc == 0 && r->state == TAR_IN_DATA && r->left == 0)
            rc = end_entry(r);
        if (rc)
            return rc;
    }
    return 0;
}

/* The stream is over. Archives without the closing zero blocks are common and accepted. */
int tar_finish(struct tar_reader *r)
{
    if (r->entry_open)
        return tar_bad(r, "the archive ends inside this entry");
    if (r->state == TAR_IN_META || (r->state == TAR_AT_HEADER && r->block_fill))
        return tar_bad(r, "the archive ends inside a header");
    return 0;
}
