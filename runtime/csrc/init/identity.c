// Who the process is: ids, capabilities, limits, no_new_privs.

#include "init.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int do_become_root(const struct op *op)
{
    // setgroups is denied where the maps were written without privilege (user_namespaces(7)).
    if (!op_int(op, 0))
        syscall(SYS_setgroups, 0, NULL);
    int result = SYS(syscall(SYS_setresgid, 0, 0, 0));
    if (!result)
        result = SYS(syscall(SYS_setresuid, 0, 0, 0));
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return result;
}

int do_setsid(const struct op *op)
{
    (void)op;
    int result = SYS(setsid());
    return result < 0 ? result : 0;
}

int do_keyring(const struct op *op)
{
    int result = SYS(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, op_str(op, 0), 0, 0, 0));

    // A kernel without keyrings, or a profile around us that forbids them, has none to share either.
    if (result == -ENOSYS || result == -EPERM)
        return 0;
    return result < 0 ? result : 0;
}

// Raising a hard limit takes CAP_SYS_RESOURCE: done while we have it. Without it the container gets what we
// may give.
int do_raise_limit(const struct op *op)
{
    struct rlimit have;
    int which = op_int(op, 0);
    rlim_t hard = op_int(op, 1);

    int result = SYS(getrlimit(which, &have));
    if (result < 0 || hard <= have.rlim_max)
        return result;
    have.rlim_max = hard;
    result = SYS(setrlimit(which, &have));
    if (result != -EPERM)
        return result;
    warn(op, EPERM, "the hard limit may not be raised without CAP_SYS_RESOURCE: kept as it is");
    return 0;
}

// The limits are the program's: with few descriptors of its own, init could not pass the gate.
int do_rlimit(const struct op *op)
{
    struct rlimit want = {.rlim_cur = op_int(op, 1), .rlim_max = op_int(op, 2)}, have;
    int which = op_int(op, 0);

    int result = SYS(getrlimit(which, &have));
    if (result < 0)
        return result;
    if (want.rlim_max > have.rlim_max)
        want.rlim_max = have.rlim_max;
    if (want.rlim_cur > want.rlim_max)
        want.rlim_cur = want.rlim_max;
    return SYS(setrlimit(which, &want));
}

int do_drop_bounding(const struct op *op)
{
    uint64_t keep = op_int(op, 0);

    for (int cap = 0; cap < 64; cap++) {
        if (keep >> cap & 1)
            continue;
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
            if (errno == EINVAL)
                break; // behind the kernel's last capability
            return -errno;
        }
    }
    return 0;
}

// Permitted capabilities survive the change of uid until `capset` (PR_SET_KEEPCAPS is cleared by execve).
int do_user(const struct op *op)
{
    uid_t uid = op_int(op, 0);
    gid_t gid = op_int(op, 1);

    umask(op_int(op, 2));
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return -errno;
    if (op_int(op, 4)) {
        int result = SYS(syscall(SYS_setgroups, op_len(op, 3) / sizeof(gid_t), op_str(op, 3)));
        if (result < 0)
            return detail(result, "setgroups(2) of %zu groups", op_len(op, 3) / sizeof(gid_t));
    }
    int result = SYS(syscall(SYS_setresgid, gid, gid, gid));
    if (result < 0)
        return detail(result, "setresgid(2) to %u", gid);
    result = SYS(syscall(SYS_setresuid, uid, uid, uid));
    if (result < 0)
        return detail(result, "setresuid(2) to %u", uid);
    return 0;
}

static int raise_ambient(const struct op *op, uint64_t wanted)
{
    for (int cap = 0; cap < 64; cap++)
        if (wanted >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0) {
            detail(0, "capability %d can't be raised into the ambient set", cap);
            warn(op, errno, self.detail);
        }
    return 0;
}

int do_capset(const struct op *op)
{
    uint64_t effective = op_int(op, 0), permitted = op_int(op, 1), inheritable = op_int(op, 2);
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct now[2], want[2];

    int result = SYS(syscall(SYS_capget, &head, now));
    if (result < 0)
        return result;
    uint64_t have = now[0].permitted | (uint64_t)now[1].permitted << 32;
    // runtime-spec 1.1, config.md "capabilities": what cannot be granted is a warning, not an error.
    uint64_t missing = (permitted | inheritable) & ~have;
    if (missing) {
        detail(0, "capabilities this runtime does not have itself: mask 0x%llx", (unsigned long long)missing);
        warn(op, EPERM, self.detail);
    }
    permitted &= have;
    effective &= permitted;
    inheritable &= have;
    for (int half = 0; half < 2; half++) {
        want[half].effective = effective >> half * 32;
        want[half].permitted = permitted >> half * 32;
        want[half].inheritable = inheritable >> half * 32;
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    result = SYS(syscall(SYS_capset, &head, want));
    return result < 0 ? result : raise_ambient(op, op_int(op, 3));
}

int do_no_new_privs(const struct op *op)
{
    (void)op;
    return SYS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}
