// What a C test needs: say what was expected where, count, and go on.
#pragma once

#include <stdio.h>
#include <string.h>

static int check_failures;

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                        \
            check_failures++;                                                                                \
        }                                                                                                    \
    } while (0)

#define CHECK_INT(got, want)                                                                                 \
    do {                                                                                                     \
        long long check_got = (got), check_want = (want);                                                    \
        if (check_got != check_want) {                                                                       \
            fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, check_got,            \
                    check_want);                                                                             \
            check_failures++;                                                                                \
        }                                                                                                    \
    } while (0)

#define CHECK_STR(got, want)                                                                                 \
    do {                                                                                                     \
        const char *check_got = (got), *check_want = (want);                                                 \
        if (strcmp(check_got, check_want) != 0) {                                                            \
            fprintf(stderr, "%s:%d: %s is\n%s\nnot\n%s\n", __FILE__, __LINE__, #got, check_got, check_want); \
            check_failures++;                                                                                \
        }                                                                                                    \
    } while (0)
