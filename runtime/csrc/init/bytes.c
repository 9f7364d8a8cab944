// Lists of strings in the record: each ended by a NUL.

#include "init.h"
#include <string.h>

int list_to_vector(const struct op *op, unsigned arg, char **vector, unsigned max)
{
    const char *at = op_str(op, arg), *end = at + op_len(op, arg);
    unsigned count = 0;

    while (at < end) {
        if (count + 1 >= max)
            return -E2BIG;
        vector[count++] = (char *)(uintptr_t)at;
        at += strlen(at) + 1; // record_check: a NUL stands behind the last byte at the latest
    }
    vector[count] = NULL;
    return count;
}

// The value of NAME= in a list of environment entries; the last one counts. NULL where it is missing.
const char *list_value(const struct op *op, unsigned arg, const char *name)
{
    const char *at = op_str(op, arg), *end = at + op_len(op, arg), *value = NULL;
    size_t length = strlen(name);

    for (; at < end; at += strlen(at) + 1)
        if (!strncmp(at, name, length) && at[length] == '=')
            value = at + length + 1;
    return value;
}
