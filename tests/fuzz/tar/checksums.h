/* Fuzzers do not guess check sums: every block that is not all zeros gets a right one. */
#pragma once
#include <stdio.h>
#include <string.h>

static inline void mend_checksums(char *bytes, size_t length)
{
    for (char *block = bytes; block + 512 <= bytes + length; block += 512) {
        unsigned sum = 0;

        if (block[0] == '\0')
            continue;
        memset(block + 148, ' ', 8);
        for (int i = 0; i < 512; i++)
            sum += (unsigned char)block[i];
        snprintf(block + 148, 8, "%06o", sum);
    }
}
