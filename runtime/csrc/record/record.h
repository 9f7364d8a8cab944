// Reading a record of operations: checked whole before any of it is used.

#ifndef TARE_RECORD_H
#define TARE_RECORD_H

#include "../ops.h"
#include <stddef.h>

struct op {
    unsigned kind;
    unsigned index;
    const char *base; // of the record
    const uint64_t *args;
};

// 0, or -EBADMSG where anything in the record does not fit ops.h.
int record_check(const void *record, size_t size);

// The op behind `cursor` (0 at first), which is moved on; 0 at the end of the list.
int record_next(const void *record, size_t *cursor, struct op *op);

const char *op_name(unsigned kind);

// "name number signature;…" of all operations, for the encoder.
const char *op_table(void);

static inline int64_t op_int(const struct op *op, unsigned i)
{
    return (int64_t)op->args[i];
}

static inline const char *op_str(const struct op *op, unsigned i)
{
    return op->base + (uint32_t)op->args[i];
}

static inline size_t op_len(const struct op *op, unsigned i)
{
    return op->args[i] >> 32;
}

#endif
