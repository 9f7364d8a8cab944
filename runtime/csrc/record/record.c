#include "record.h"
#include <errno.h>
#include <string.h>

static const struct {
    const char *name;
    const char *signature;
} KINDS[OP_LIMIT] = {
#define X(name, number, signature) [number] = {#name, signature},
    TARE_OPS(X)
#undef X
};

const char *op_name(unsigned kind)
{
    return kind < OP_LIMIT && KINDS[kind].name ? KINDS[kind].name : "?";
}

const char *op_table(void)
{
#define X(name, number, signature) #name " " #number " " signature ";"
    return TARE_OPS(X);
#undef X
}

static int check_bytes(const char *record, size_t size, uint64_t arg, int text)
{
    uint64_t offset = (uint32_t)arg, length = arg >> 32;

    if (offset < sizeof(struct record_header) || offset + length >= size)
        return -EBADMSG;
    if (record[offset + length] != 0)
        return -EBADMSG;
    if (text && memchr(record + offset, 0, length))
        return -EBADMSG;
    return 0;
}

static int check_op(const char *record, size_t size, const struct op_header *head, const uint64_t *args)
{
    if (head->kind >= OP_LIMIT || !KINDS[head->kind].name)
        return -EBADMSG;
    const char *signature = KINDS[head->kind].signature;
    if (head->argc != strlen(signature))
        return -EBADMSG;
    for (unsigned i = 0; i < head->argc; i++)
        if (signature[i] != 'i' && check_bytes(record, size, args[i], signature[i] == 's') < 0)
            return -EBADMSG;
    return 0;
}

int record_check(const void *record, size_t size)
{
    const struct record_header *header = record;

    if (size < sizeof *header || size > RECORD_MAX_BYTES || ((uintptr_t)record & 7))
        return -EBADMSG;
    if (header->magic != RECORD_MAGIC || (header->version & ~RECORD_TIMED) != RECORD_VERSION)
        return -EBADMSG;
    if (header->size != size)
        return -EBADMSG;
    size_t at = sizeof *header;
    for (uint32_t n = 0; n < header->nops; n++) {
        if (size - at < sizeof(struct op_header))
            return -EBADMSG;
        const struct op_header *head = (const void *)((const char *)record + at);
        at += sizeof *head;
        if (head->argc > OP_MAX_ARGS || size - at < head->argc * sizeof(uint64_t))
            return -EBADMSG;
        if (check_op(record, size, head, (const void *)((const char *)record + at)) < 0)
            return -EBADMSG;
        at += head->argc * sizeof(uint64_t);
    }
    return 0;
}

int record_next(const void *record, size_t *cursor, struct op *op)
{
    const struct record_header *header = record;
    uint32_t done = *cursor >> 32;
    size_t at = (uint32_t)*cursor;

    if (done >= header->nops)
        return 0;
    if (!done)
        at = sizeof *header;
    const struct op_header *head = (const void *)((const char *)record + at);
    op->kind = head->kind;
    op->index = head->index;
    op->base = record;
    op->args = (const void *)(head + 1);
    at += sizeof *head + head->argc * sizeof(uint64_t);
    *cursor = (uint64_t)(done + 1) << 32 | at;
    return 1;
}
