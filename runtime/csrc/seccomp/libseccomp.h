// Filters made by libseccomp, as the Python side asks for them. Everything returns 0 or more, or -errno.
#pragma once

#include <seccomp.h>
#include <stdint.h>

enum {
    TARE_ATTR_OPTIMIZE = SCMP_FLTATR_CTL_OPTIMIZE,
};

// One comparison of an argument; `op` is 0 … 6: NE LT LE EQ GE GT MASKED_EQ.
struct tare_condition {
    unsigned index;
    int op;
    unsigned long long value;
    unsigned long long value_two;
};

// Add the architecture called `name` ("x86_64"). One that the filter has already is fine.
int tare_seccomp_arch(void *filter, const char *name);
int tare_seccomp_option(void *filter, int attr, unsigned value);

// Add a rule: all conditions must hold. Returns 1, and adds nothing, for a system call that libseccomp
// does not know: a profile for newer kernels must work on older ones.
int tare_seccomp_rule(void *filter, unsigned action, const char *name,
                      const struct tare_condition *conditions, unsigned count);

// Write the filter to `fd` as an array of struct sock_filter.
int tare_seccomp_export(void *filter, int fd);

const char *tare_seccomp_version(void);
