/* Sparse files: GNU's 'S' header with its extension blocks, and the three PAX forms (0.0, 0.1, 1.0). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tar.h"

enum { AT_GNU_MAP = 386, AT_GNU_EXTENDED = 482, AT_GNU_REAL_SIZE = 483, AT_BLOCK_EXTENDED = 504 };

/* Segments come in order and do not overlap; that also bounds their sum. */
int tar_segment_add(struct tar_reader *r, int64_t offset, int64_t length)
{
    int64_t floor = 0, end;

    if (r->segment_count) {
        const struct tar_segment *last = &r->segments[r->segment_count - 1];
        floor = last->offset + last->length;
    }
    if (offset < floor || length < 0 || __builtin_add_overflow(offset, length, &end))
        return tar_bad(r, "the sparse map is out of order");
    if (r->segment_count == TAR_SEGMENTS_MAX)
        return tar_bad(r, "the sparse map has more than 65536 pieces");
    if (r->segment_count == r->segment_capacity) {
        size_t capacity = r->segment_capacity ? r->segment_capacity * 2 : 16;
        struct tar_segment *grown = reallocarray(r->segments, capacity, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        r->segments = grown;
        r->segment_capacity = capacity;
    }
    r->segments[r->segment_count++] = (struct tar_segment){.offset = offset, .length = length};
    return 0;
}

/* `count` pairs of 12-byte numbers; the list ends at an empty pair. */
static int gnu_pairs(struct tar_reader *r, const char *p, int count)
{
    for (; count > 0 && p[0] != '\0'; count--, p += 24) {
        int64_t offset, length;
        int rc;

        if (!tar_number(p, 12, &offset) || !tar_number(p + 12, 12, &length))
            return tar_bad(r, "the sparse map cannot be read");
        rc = tar_segment_add(r, offset, length);
        if (rc)
            return rc;
    }
    return 0;
}

static int gnu_header(struct tar_reader *r)
{
    struct tar_entry *e = &r->entry;

    r->segment_count = 0;
    e->sparse = true;
    if (!tar_number(r->block + AT_GNU_REAL_SIZE, 12, &e->real_size) || e->real_size < 0)
        return tar_bad(r, "the sparse file's size cannot be read");
    if (r->block[AT_GNU_EXTENDED])
        r->state = TAR_IN_SPARSE_BLOCK;
    return gnu_pairs(r, r->block + AT_GNU_MAP, 4);
}

/* Decides whether the entry is sparse and where its map is; may set the state that reads the map. */
int tar_sparse_header(struct tar_reader *r)
{
    struct tar_entry *e = &r->entry;
    const struct tar_pax *pax = &r->pax;

    r->segment_at = 0;
    r->segment_used = 0;
    if (e->type == 'S')
        return gnu_header(r);
    if (!r->have_pax || (!pax->sparse_map && pax->sparse_major < 0))
        return 0;
    if (pax->sparse_real_size < 0)
        return tar_bad(r, "a sparse file's real size is missing");
    e->sparse = true;
    e->real_size = pax->sparse_real_size;
    if (pax->sparse_major == 1 && pax->sparse_minor == 0) {
        r->segment_count = 0;
        r->text_number = r->text_left = r->text_offset = -1;
        r->text_bytes = 0;
        r->state = TAR_IN_SPARSE_TEXT;
    } else if (pax->sparse_major > 0 || !pax->sparse_map) {
        return tar_bad(r, "this version of the sparse format is not known");
    }
    return 0;
}

/* One extension block of the GNU form is complete in r->block. */
int tar_sparse_block(struct tar_reader *r)
{
    if (!r->block[AT_BLOCK_EXTENDED])
        r->state = TAR_IN_DATA;
    return gnu_pairs(r, r->block, 21);
}

static int text_number_done(struct tar_reader *r)
{
    int64_t number = r->text_number;

    r->text_number = -1;
    if (number < 0)
        return tar_bad(r, "the sparse map cannot be read");
    if (r->text_left < 0) {
        if (number > TAR_SEGMENTS_MAX)
            return tar_bad(r, "the sparse map has more than 65536 pieces");
        r->text_left = number * 2;
        return 0;
    }
    r->text_left--;
    if (r->text_offset < 0) {
        r->text_offset = number;
        return 0;
    }
    number = tar_segment_add(r, r->text_offset, number);
    r->text_offset = -1;
    return (int)number;
}

/* PAX 1.0: "COUNT\nOFFSET\nLENGTH\n…", filled up to a whole block, before the data and counted in its size.
 */
int tar_sparse_text(struct tar_reader *r, const char *bytes, size_t length, size_t *used)
{
    size_t i = 0;
    int rc = 0;

    while (i < length && r->left > 0 && rc == 0) {
        bool complete = r->text_left == 0;
        char c = bytes[i++];

        r->left--;
        if (++r->text_bytes > TAR_MAP_BYTES_MAX)
            return tar_bad(r, "the sparse map is too long");
        if (!complete && c == '\n') {
            rc = text_number_done(r);
        } else if (!complete) {
            int64_t number = r->text_number < 0 ? 0 : r->text_number;
            if (c < '0' || c > '9' || __builtin_mul_overflow(number, 10, &number) ||
                __builtin_add_overflow(number, c - '0', &r->text_number))
                return tar_bad(r, "the sparse map cannot be read");
        }
        if (r->text_left == 0 && r->text_bytes % TAR_BLOCK == 0) {
            r->state = TAR_IN_DATA;
            break;
        }
    }
    *used = i;
    if (rc == 0 && r->left == 0 && r->state == TAR_IN_SPARSE_TEXT)
        return tar_bad(r, "the sparse map is cut short");
    return rc;
}

/* Spreads data over the segments. */
int tar_sparse_data(struct tar_reader *r, const char *bytes, size_t length)
{
    while (length > 0) {
        const struct tar_segment *s;
        size_t piece;
        int rc;

        if (r->segment_at == r->segment_count)
            return tar_bad(r, "there is more data than the sparse map has room for");
        s = &r->segments[r->segment_at];
        if (s->offset + s->length > r->entry.real_size)
            return tar_bad(r, "the sparse map reaches past the end of the file");
        piece =
            (uint64_t)(s->length - r->segment_used) < length ? (size_t)(s->length - r->segment_used) : length;
        if (piece) {
            rc = r->sink.data(r->sink.self, bytes, piece, s->offset + r->segment_used);
            if (rc)
                return rc;
        }
        bytes += piece;
        length -= piece;
        r->segment_used += (int64_t)piece;
        if (r->segment_used == s->length) {
            r->segment_at++;
            r->segment_used = 0;
        }
    }
    return 0;
}

int tar_sparse_check_end(struct tar_reader *r)
{
    for (size_t i = r->segment_at; i < r->segment_count; i++)
        if (r->segments[i].length > (i == r->segment_at ? r->segment_used : 0))
            return tar_bad(r, "there is less data than the sparse map asks for");
    return 0;
}
