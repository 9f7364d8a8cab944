/* PAX extended headers: "LENGTH KEY=VALUE\n" records. POSIX.1-2017 pax; star's xattrs; GNU's sparse keys. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tar.h"

static bool decimal(const char *text, int64_t *out)
{
    int64_t value = 0;
    const char *p = text;

    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *p - '0', &value))
            return false;
    *out = value;
    return p != text && *p == '\0';
}

/* "[-]SECONDS[.FRACTION]": nanoseconds are kept, what is finer is cut off towards the past. */
static bool timestamp(const char *text, struct timespec *out)
{
    bool negative = *text == '-';
    const char *p = text + negative;
    const char *dot = strchr(p, '.');
    char whole[24];
    size_t length = dot ? (size_t)(dot - p) : strlen(p);
    int64_t seconds;
    long nanos = 0, scale = 100000000;

    if (length >= sizeof(whole))
        return false;
    memcpy(whole, p, length);
    whole[length] = '\0';
    if (!decimal(whole, &seconds))
        return false;
    for (p = dot ? dot + 1 : ""; *p >= '0' && *p <= '9'; p++, scale /= 10)
        nanos += scale * (*p - '0');
    if (*p)
        return false;
    if (negative && nanos)
        *out = (struct timespec){.tv_sec = -seconds - 1, .tv_nsec = 1000000000 - nanos};
    else
        *out = (struct timespec){.tv_sec = negative ? -seconds : seconds, .tv_nsec = nanos};
    return true;
}

static int add_xattr(struct tar_reader *r, const char *name, const char *value, size_t length)
{
    if (r->xattr_count == r->xattr_capacity) {
        size_t capacity = r->xattr_capacity ? r->xattr_capacity * 2 : 8;
        struct tar_xattr *grown = reallocarray(r->xattrs, capacity, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        r->xattrs = grown;
        r->xattr_capacity = capacity;
    }
    r->xattrs[r->xattr_count++] = (struct tar_xattr){.name = name, .value = value, .value_len = length};
    return 0;
}

/* GNU.sparse.map (0.1): "offset,length,offset,length…". Cuts the text at its commas. */
static int sparse_map(struct tar_reader *r, char *text)
{
    int64_t pair[2];
    int at = 0;

    for (char *field; (field = strsep(&text, ","));) {
        if (!decimal(field, &pair[at]))
            return tar_bad(r, "the sparse map cannot be read");
        if (at) {
            int rc = tar_segment_add(r, pair[0], pair[1]);
            if (rc)
                return rc;
        }
        at = !at;
    }
    r->pax.sparse_map = true;
    return at ? tar_bad(r, "the sparse map has an odd number of fields") : 0;
}

static int sparse_record(struct tar_reader *r, const char *key, char *value)
{
    struct tar_pax *pax = &r->pax;
    int64_t number;

    if (!strcmp(key, "name")) {
        pax->sparse_name = value;
        return 0;
    }
    if (!strcmp(key, "map"))
        return sparse_map(r, value);
    if (!decimal(value, &number))
        return tar_bad(r, "a GNU.sparse record is not a number");
    if (!strcmp(key, "major"))
        pax->sparse_major = number;
    else if (!strcmp(key, "minor"))
        pax->sparse_minor = number;
    else if (!strcmp(key, "size") || !strcmp(key, "realsize"))
        pax->sparse_real_size = number;
    else if (!strcmp(key, "offset"))
        pax->sparse_offset = number;
    else if (!strcmp(key, "numbytes")) {
        if (pax->sparse_offset < 0)
            return tar_bad(r, "a GNU.sparse.numbytes record has no offset before it");
        pax->sparse_map = true;
        number = tar_segment_add(r, pax->sparse_offset, number);
        pax->sparse_offset = -1;
        return (int)number;
    }
    return 0;
}

static int number_record(struct tar_reader *r, const char *value, int64_t *out, bool *has)
{
    *has = true;
    return decimal(value, out) ? 0 : tar_bad(r, "a number in the PAX header cannot be read");
}

static int time_record(struct tar_reader *r, const char *value, struct timespec *out, bool *has)
{
    *has = true;
    return timestamp(value, out) ? 0 : tar_bad(r, "a time in the PAX header cannot be read");
}

static int record(struct tar_reader *r, const char *key, char *value, size_t length)
{
    struct tar_pax *pax = &r->pax;

    if (!strncmp(key, "SCHILY.xattr.", 13))
        return key[13] ? add_xattr(r, key + 13, value, length) : 0;
    if (length == 0)
        return 0; /* an empty value takes the record back: the plain header counts */
    if (memchr(value, '\0', length))
        return tar_bad(r, "a PAX record holds a NUL byte");
    if (!strncmp(key, "GNU.sparse.", 11))
        return sparse_record(r, key + 11, value);
    if (!strcmp(key, "path"))
        pax->path = value;
    else if (!strcmp(key, "linkpath"))
        pax->link_path = value;
    else if (!strcmp(key, "size"))
        return number_record(r, value, &pax->size, &pax->has_size);
    else if (!strcmp(key, "uid"))
        return number_record(r, value, &pax->uid, &pax->has_uid);
    else if (!strcmp(key, "gid"))
        return number_record(r, value, &pax->gid, &pax->has_gid);
    else if (!strcmp(key, "mtime"))
        return time_record(r, value, &pax->mtime, &pax->has_mtime);
    else if (!strcmp(key, "atime"))
        return time_record(r, value, &pax->atime, &pax->has_atime);
    return 0;
}

/* Reads the text gathered in r->pax_text into r->pax and r->xattrs, which point into it. */
int tar_pax_parse(struct tar_reader *r)
{
    char *p = r->pax_text.bytes, *end = p + r->pax_text.length;
    int rc = 0;

    r->pax =
        (struct tar_pax){.sparse_major = -1, .sparse_minor = -1, .sparse_real_size = -1, .sparse_offset = -1};
    r->xattr_count = r->segment_count = 0;
    while (p < end && rc == 0) {
        size_t length = 0;
        char *digits = p, *equals;

        for (; p < end && *p >= '0' && *p <= '9' && length <= TAR_META_MAX; p++)
            length = length * 10 + (size_t)(*p - '0');
        if (p == digits || p == end || *p != ' ' || length > (size_t)(end - digits) ||
            length < (size_t)(p - digits) + 3 || digits[length - 1] != '\n')
            return tar_bad(r, "a PAX record has a wrong length");
        p++;
        equals = memchr(p, '=', (size_t)(digits + length - 1 - p));
        if (!equals || equals == p || memchr(p, '\0', (size_t)(equals - p)))
            return tar_bad(r, "a PAX record has no key");
        *equals = digits[length - 1] = '\0';
        rc = record(r, p, equals + 1, (size_t)(digits + length - 1 - (equals + 1)));
        p = digits + length;
    }
    return rc;
}

/* Lays what the extended headers said over r->entry. GNU long names win, as in GNU tar and Go. */
int tar_pax_apply(struct tar_reader *r)
{
    struct tar_entry *e = &r->entry;
    const struct tar_pax *pax = &r->pax;

    if (r->have_pax) {
        e->name = pax->sparse_name ? pax->sparse_name : pax->path ? pax->path : e->name;
        e->link = pax->link_path ? pax->link_path : e->link;
        e->uid = pax->has_uid ? pax->uid : e->uid;
        e->gid = pax->has_gid ? pax->gid : e->gid;
        e->mtime = pax->has_mtime ? pax->mtime : e->mtime;
        e->atime = pax->has_atime ? pax->atime : e->mtime;
        e->size = e->real_size = pax->has_size ? pax->size : e->size;
        e->xattrs = r->xattrs;
        e->xattr_count = r->xattr_count;
    }
    if (r->long_name.length)
        e->name = r->long_name.bytes;
    if (r->long_link.length)
        e->link = r->long_link.bytes;
    return 0;
}
