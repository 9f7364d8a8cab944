/* One 512-byte header → struct tar_entry. POSIX.1-2017 pax, "ustar Interchange Format", and GNU tar's. */
#include <errno.h>
#include <string.h>

#include "tar.h"

enum {
    AT_NAME = 0,
    AT_MODE = 100,
    AT_UID = 108,
    AT_GID = 116,
    AT_SIZE = 124,
    AT_MTIME = 136,
    AT_CHECKSUM = 148,
    AT_TYPE = 156,
    AT_LINK = 157,
    AT_MAGIC = 257,
    AT_MAJOR = 329,
    AT_MINOR = 337,
    AT_PREFIX = 345,
};

/* Base-256 (GNU): the first byte holds a marker bit and the sign; big-endian two's complement follows. */
static bool base256(const unsigned char *field, size_t width, int64_t *out)
{
    bool negative = field[0] & 0x40;
    uint64_t value = negative ? UINT64_MAX : 0;

    for (size_t i = 0; i < width; i++) {
        unsigned char byte = field[i];
        if (i == 0)
            byte = negative ? byte | 0x80 : byte & 0x7f;
        /* What is shifted out must be sign only. */
        if (value >> 55 != (negative ? UINT64_MAX >> 55 : 0))
            return false;
        value = value << 8 | byte;
    }
    *out = (int64_t)value;
    return true;
}

/* Octal text with blanks or NULs around it, or base-256. An empty field is 0, as every tar reads it. */
bool tar_number(const char *field, size_t width, int64_t *out)
{
    size_t i = 0;
    uint64_t value = 0;

    if ((unsigned char)field[0] & 0x80)
        return base256((const unsigned char *)field, width, out);
    while (i < width && (field[i] == ' ' || field[i] == '\0'))
        i++;
    for (; i < width && field[i] >= '0' && field[i] <= '7'; i++)
        value = value << 3 | (uint64_t)(field[i] - '0');
    if (i < width && field[i] != ' ' && field[i] != '\0')
        return false;
    *out = (int64_t)value;
    return true;
}

/* Some old writers summed signed bytes: both sums are accepted. */
static bool checksum_fits(const char *block)
{
    int64_t want, unsigned_sum = 0, signed_sum = 0;

    if (!tar_number(block + AT_CHECKSUM, 8, &want))
        return false;
    for (int i = 0; i < TAR_BLOCK; i++) {
        char byte = i >= AT_CHECKSUM && i < AT_CHECKSUM + 8 ? ' ' : block[i];
        unsigned_sum += (unsigned char)byte;
        signed_sum += (signed char)byte;
    }
    return want == unsigned_sum || want == signed_sum;
}

static void copy_field(char *out, const char *field, size_t width)
{
    size_t length = strnlen(field, width);
    memcpy(out, field, length);
    out[length] = '\0';
}

static void join_name(struct tar_reader *r)
{
    const char *block = r->block;
    char *out = r->name_text;

    /* "ustar\0": POSIX, with a prefix. GNU writes "ustar  " and keeps other things where the prefix is. */
    if (memcmp(block + AT_MAGIC, "ustar\0", 6) == 0 && block[AT_PREFIX]) {
        copy_field(out, block + AT_PREFIX, 155);
        out += strlen(out);
        *out++ = '/';
    }
    copy_field(out, block + AT_NAME, 100);
}

static int numbers(struct tar_reader *r, struct tar_entry *e)
{
    const char *block = r->block;
    int64_t mode, seconds, major = 0, minor = 0;
    bool device = e->type == TAR_CHAR || e->type == TAR_BLOCKDEV;

    if (!tar_number(block + AT_MODE, 8, &mode) || !tar_number(block + AT_UID, 8, &e->uid) ||
        !tar_number(block + AT_GID, 8, &e->gid) || !tar_number(block + AT_SIZE, 12, &e->size) ||
        !tar_number(block + AT_MTIME, 12, &seconds))
        return tar_bad(r, "a number in the header cannot be read");
    if (device && (!tar_number(block + AT_MAJOR, 8, &major) || !tar_number(block + AT_MINOR, 8, &minor)))
        return tar_bad(r, "the device number cannot be read");
    if (e->size < 0)
        return tar_bad(r, "the size is negative");
    e->mode = (uint32_t)mode & 07777;
    e->mtime = e->atime = (struct timespec){.tv_sec = seconds};
    e->major = (uint64_t)major;
    e->minor = (uint64_t)minor;
    return 0;
}

/* Fills r->entry from r->block. Extended headers are applied later. */
int tar_header_decode(struct tar_reader *r)
{
    struct tar_entry *e = &r->entry;
    int rc;

    memset(e, 0, sizeof(*e));
    if (!checksum_fits(r->block))
        return tar_bad(r, "the header's checksum is wrong: this is not a tar archive, or it is damaged");
    e->type = r->block[AT_TYPE] ? r->block[AT_TYPE] : TAR_FILE;
    join_name(r);
    copy_field(r->link_text, r->block + AT_LINK, 100);
    e->name = r->name_text;
    e->link = r->link_text;
    rc = numbers(r, e);
    e->real_size = e->size;
    return rc;
}
