/* The tar reader: a push parser. Bytes go in, in pieces of any size; entries and their data come out.
 *
 * It trusts nothing: every count that the archive declares is bounded here, and nothing is allocated by a
 * declared size before the bytes have arrived. All functions return 0 or -errno; the reader's `problem` says
 * in words what was wrong when the errno is EBADMSG. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
    TAR_BLOCK = 512,
    TAR_META_MAX = 1 << 20,      /* one PAX or GNU long-name header (CVE-2022-2879) */
    TAR_SEGMENTS_MAX = 1 << 16,  /* pieces of one sparse file (CVE-2025-58183) */
    TAR_MAP_BYTES_MAX = 1 << 21, /* the text of a PAX 1.0 sparse map */
};

/* The types the reader hands on: those of POSIX. GNU's 'S' and the contiguous '7' arrive as TAR_FILE. */
enum tar_type {
    TAR_FILE = '0',
    TAR_LINK = '1',
    TAR_SYMLINK = '2',
    TAR_CHAR = '3',
    TAR_BLOCKDEV = '4',
    TAR_DIR = '5',
    TAR_FIFO = '6',
};

struct tar_xattr {
    const char *name; /* NUL-terminated, inside the reader's PAX buffer */
    const char *value;
    size_t value_len;
};

/* Valid until the next entry arrives. */
struct tar_entry {
    const char *name; /* NUL-terminated, as written in the archive */
    const char *link;
    char type;
    bool sparse;
    bool trailing_slash;
    uint32_t mode;
    int64_t uid, gid;
    int64_t size;      /* bytes of data in the archive */
    int64_t real_size; /* of the file: differs when it is sparse */
    struct timespec atime, mtime;
    uint64_t major, minor;
    const struct tar_xattr *xattrs;
    size_t xattr_count;
};

/* Where entries go. `data` gets an offset because sparse files have holes. */
struct tar_sink {
    void *self;
    int (*entry)(void *self, const struct tar_entry *entry);
    int (*data)(void *self, const char *bytes, size_t length, int64_t offset);
    int (*end)(void *self);
};

struct tar_buffer {
    char *bytes;
    size_t length, capacity;
};

struct tar_segment {
    int64_t offset, length;
};

/* What the extended headers before an entry said. */
struct tar_pax {
    bool has_size, has_uid, has_gid, has_mtime, has_atime;
    const char *path, *link_path, *sparse_name;
    int64_t size, uid, gid;
    struct timespec mtime, atime;
    int64_t sparse_major, sparse_minor, sparse_real_size; /* -1: not said */
    bool sparse_map;                                      /* 0.x: segments came with the header */
    int64_t sparse_offset;                                /* 0.0: an offset that waits for its length */
};

enum tar_state {
    TAR_AT_HEADER,
    TAR_IN_META,
    TAR_IN_SPARSE_BLOCK, /* GNU 'S': 512-byte extension of the map */
    TAR_IN_SPARSE_TEXT,  /* PAX 1.0: the map as text before the data */
    TAR_IN_DATA,
    TAR_IN_PADDING,
    TAR_AT_END,
};

struct tar_reader {
    struct tar_sink sink;
    enum tar_state state;
    const char *problem;
    char block[TAR_BLOCK];
    size_t block_fill;
    unsigned zero_blocks;
    char meta_type; /* 'x', 'g', 'L', 'K' while TAR_IN_META */
    int64_t left;   /* bytes of the current meta or data */
    int64_t padding;
    bool entry_open; /* the sink has had entry() and waits for end() */
    bool skip_data;  /* data of this entry is not handed on */
    struct tar_buffer pax_text, long_name, long_link;
    bool have_pax;
    struct tar_pax pax;
    struct tar_xattr *xattrs;
    size_t xattr_count, xattr_capacity;
    struct tar_segment *segments;
    size_t segment_count, segment_capacity;
    size_t segment_at;         /* the one that data goes to now */
    int64_t segment_used;      /* bytes of it that are done */
    int64_t text_number;       /* PAX 1.0: number being read, -1 between numbers */
    int64_t text_left;         /* PAX 1.0: numbers still to come, -1 before the count */
    int64_t text_offset;       /* PAX 1.0: the offset that waits for its length */
    int64_t text_bytes;        /* PAX 1.0: bytes of the map so far */
    char name_text[101 + 156]; /* name and prefix of the header, joined */
    char link_text[101];
    struct tar_entry entry;
};

void tar_reader_init(struct tar_reader *r, struct tar_sink sink);
void tar_reader_free(struct tar_reader *r);
int tar_feed(struct tar_reader *r, const char *bytes, size_t length);
int tar_finish(struct tar_reader *r);

/* Shared between the reader's files. */
int tar_bad(struct tar_reader *r, const char *problem);
int tar_buffer_append(struct tar_buffer *b, const char *bytes, size_t length);
bool tar_number(const char *field, size_t width, int64_t *out);
int tar_header_decode(struct tar_reader *r);
int tar_pax_parse(struct tar_reader *r);
int tar_pax_apply(struct tar_reader *r);
int tar_segment_add(struct tar_reader *r, int64_t offset, int64_t length);
int tar_sparse_header(struct tar_reader *r);
int tar_sparse_block(struct tar_reader *r);
int tar_sparse_text(struct tar_reader *r, const char *bytes, size_t length, size_t *used);
int tar_sparse_data(struct tar_reader *r, const char *bytes, size_t length);
int tar_sparse_check_end(struct tar_reader *r);
