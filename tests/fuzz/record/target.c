// Any bytes at all as an op record: either refused, or every argument of every operation can be read.

#include "init/init.h"
#include <stdlib.h>
#include <string.h>

static volatile unsigned sink;

static unsigned touch(const char *bytes, size_t length)
{
    unsigned sum = 0;
    for (size_t i = 0; i <= length; i++) // with the NUL that record_check promises
        sum += (unsigned char)bytes[i];
    return sum;
}

static const char *signature_of(unsigned kind)
{
    static const char *const SIGNATURES[OP_LIMIT] = {
#define X(name, number, signature) [number] = signature,
        TARE_OPS(X)
#undef X
    };
    return SIGNATURES[kind];
}

static void read_arguments(const struct op *op)
{
    const char *signature = signature_of(op->kind);
    char *vector[64];

    for (unsigned i = 0; signature[i]; i++) {
        if (signature[i] == 'i') {
            sink += (unsigned)op_int(op, i);
            continue;
        }
        sink += touch(op_str(op, i), op_len(op, i));
        if (signature[i] == 's' && strlen(op_str(op, i)) != op_len(op, i))
            abort();
        if (signature[i] == 'b') {
            int count = list_to_vector(op, i, vector, 64);
            for (int n = 0; n < count; n++)
                sink += (unsigned)strlen(vector[n]);
            list_value(op, i, "PATH");
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t *record = malloc(size ? size : 1); // malloc aligns as the runtime's own buffer is aligned
    struct op op;
    size_t cursor = 0;

    memcpy(record, data, size);
    // Most of the interest lies behind the header: let the fuzzer not have to guess it each time.
    if (size >= sizeof(struct record_header)) {
        struct record_header *header = (void *)record;
        header->magic = RECORD_MAGIC;
        header->version = RECORD_VERSION;
        header->size = (uint32_t)size;
    }
    if (record_check(record, size) == 0)
        while (record_next(record, &cursor, &op))
            read_arguments(&op);
    free(record);
    return 0;
}
