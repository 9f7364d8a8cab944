// The name that seccomp profiles have for the architecture we were compiled for.

#include "core.h"

const char *tare_native_architecture(void)
{
#if defined(__x86_64__) && defined(__ILP32__)
    return "x32";
#elif defined(__x86_64__)
    return "x86_64";
#elif defined(__i386__)
    return "x86";
#elif defined(__aarch64__)
    return "aarch64";
#elif defined(__arm__)
    return "arm";
#elif defined(__riscv) && __riscv_xlen == 64
    return "riscv64";
#elif defined(__loongarch_lp64)
    return "loongarch64";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
    return "ppc64le";
#elif defined(__powerpc64__)
    return "ppc64";
#elif defined(__powerpc__)
    return "ppc";
#elif defined(__s390x__)
    return "s390x";
#elif defined(__mips64) && defined(__MIPSEL__)
    return "mipsel64";
#elif defined(__mips64)
    return "mips64";
#elif defined(__MIPSEL__)
    return "mipsel";
#elif defined(__mips__)
    return "mips";
#else
#error "name this architecture as SCMP_ARCH_* does"
#endif
}
