#include "libseccomp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONDITIONS = 6 };

static const enum scmp_compare OPERATORS[] = {
    SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE, SCMP_CMP_EQ, SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ,
};

int tare_seccomp_arch(void *filter, const char *name)
{
    uint32_t token = strcmp(name, "native") ? seccomp_arch_resolve_name(name) : seccomp_arch_native();

    if (!token)
        return -EINVAL;
    int error = seccomp_arch_add(filter, token);
    return error == -EEXIST ? 0 : error;
}

int tare_seccomp_option(void *filter, int attr, unsigned value)
{
    return seccomp_attr_set(filter, (enum scmp_filter_attr)attr, value);
}

int tare_seccomp_rule(void *filter, unsigned action, const char *name,
                      const struct tare_condition *conditions, unsigned count)
{
    struct scmp_arg_cmp args[MAX_CONDITIONS];
    int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR)
        return 1;
    if (count > MAX_CONDITIONS)
        return -E2BIG;
    for (unsigned i = 0; i < count; i++) {
        if (conditions[i].op < 0 || conditions[i].op > 6 || conditions[i].index > 5)
            return -EINVAL;
        args[i] = (struct scmp_arg_cmp){
            .arg = conditions[i].index,
            .op = OPERATORS[conditions[i].op],
            .datum_a = conditions[i].value,
            .datum_b = conditions[i].value_two,
        };
    }
    return seccomp_rule_add_array(filter, action, call, count, args);
}

int tare_seccomp_export(void *filter, int fd)
{
    return seccomp_export_bpf(filter, fd);
}

const char *tare_seccomp_version(void)
{
    static char text[32];
    const struct scmp_version *version = seccomp_version();
    snprintf(text, sizeof text, "%u.%u.%u", version->major, version->minor, version->micro);
    return text;
}
