// Filters made by libseccomp, as the Python side asks for them. Everything returns 0 or more, or -errno.
#pragma once

#include <seccomp.h>
#include <stdint.h>

enum {
    TARE_ATTR_BADARCH = SCMP_FLTATR_ACT_BADARCH,
    TARE_ATTR_OPTIMIZE = SCMP_FLTATR_CTL_OPTIMIZE,
};
#define TARE_ACT_KILL_PROCESS SCMP_ACT_KILL_PROCESS
#define TARE_ACT_KILL_THREAD SCMP_ACT_KILL_THREAD
#define TARE_ACT_TRAP SCMP_ACT_TRAP
#define TARE_ACT_ERRNO SCMP_ACT_ERRNO(0)
#define TARE_ACT_TRACE SCMP_ACT_TRACE(0)
#define TARE_ACT_ALLOW SCMP_ACT_ALLOW
#define TARE_ACT_LOG SCMP_ACT_LOG

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

// The highest number of a system call that libseccomp knows on an architecture.
int tare_seccomp_newest(const char *arch);

// AUDIT_ARCH_* of an architecture by name ("native" is this machine's), 0 if unknown.
unsigned tare_seccomp_token(const char *name);
const char *tare_seccomp_version(void);
