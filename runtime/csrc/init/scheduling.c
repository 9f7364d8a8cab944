// How the kernel treats the process: its clocks, processor, memory nodes, disk priority and personality.

#include "init.h"
#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static int write_whole(int fd, const char *text)
{
    long done = SYS(write(fd, text, strlen(text)));
    return done < 0 ? done : 0;
}

// The offsets of a time namespace can be written while nobody is in it, and only children enter a new one
// (time_namespaces(7)). To enter it ourselves it is joined by its file, which a single thread may.
//
// Before `become_root`: until then the file in procfs belongs to who we are, whichever user namespace it is.
int do_time_namespace(const struct op *op)
{
    int result = SYS(unshare(CLONE_NEWTIME));

    if (result < 0)
        return result;
    if (op_len(op, 0)) {
        CLEANUP_FD int offsets = open_own_proc_file("timens_offsets", O_WRONLY);
        result = offsets < 0 ? offsets : write_whole(offsets, op_str(op, 0));
        if (result < 0)
            return result;
    }
    CLEANUP_FD int space = open_own_proc_link("ns/time_for_children");
    return space < 0 ? space : (int)SYS(setns(space, CLONE_NEWTIME));
}

int do_personality(const struct op *op)
{
    int result = SYS(personality(op_int(op, 0)));
    return result < 0 ? result : 0;
}

// sched_setattr(2), which has no wrapper; linux/sched/types.h clashes with musl's sched.h.
struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

int do_scheduler(const struct op *op)
{
    struct scheduling want = {
        .size = sizeof want,
        .policy = op_int(op, 0),
        .flags = op_int(op, 1),
        .nice = op_int(op, 2),
        .priority = op_int(op, 3),
        .runtime = op_int(op, 4),
        .deadline = op_int(op, 5),
        .period = op_int(op, 6),
    };

    return SYS(syscall(SYS_sched_setattr, 0, &want, 0));
}

int do_io_priority(const struct op *op)
{
    return SYS(syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, op_int(op, 0)));
}

int do_cpu_affinity(const struct op *op)
{
    return SYS(syscall(SYS_sched_setaffinity, 0, op_len(op, 0), op_str(op, 0)));
}

// The kernel takes one bit less than it is told that there are (set_mempolicy(2), BUGS).
int do_memory_policy(const struct op *op)
{
    size_t size = op_len(op, 1);

    return SYS(
        syscall(SYS_set_mempolicy, op_int(op, 0), size ? op_str(op, 1) : NULL, size ? size * 8 + 1 : 0));
}
