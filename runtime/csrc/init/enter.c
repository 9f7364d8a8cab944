// Stage one: what is joined, and the clone.

#include "init.h"
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

// The kernel's struct clone_args, as far as kernel 5.3 has it (linux/sched.h clashes with musl's sched.h).
struct clone3_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

static int write_text(int fd, const char *text)
{
    size_t length = strlen(text);
    long done = SYS(write(fd, text, length));

    return done < 0 ? done : (size_t)done == length ? 0 : -EIO;
}

// The container's process itself joins, so what the kernel allocates for its new namespaces is not charged to
// its memory limit; and being a single thread it needs no lock whose first use takes 13 ms (see plan/ops.py).
// The files were opened by the runtime, whose rights the kernel judges the write by (CVE-2021-4197).
int do_join_cgroups(const struct op *op)
{
    (void)op;
    for (unsigned i = 0; i < self.cgroup_count; i++) {
        int result = write_text(self.cgroups[i], "0");
        close(self.cgroups[i]);
        if (result < 0)
            return detail(result, "%u", i);
    }
    self.cgroup_count = 0;
    return 0;
}

// Its root is the cgroup that we are in now (cgroup_namespaces(7)).
int do_cgroup_namespace(const struct op *op)
{
    (void)op;
    return SYS(unshare(CLONE_NEWCGROUP));
}

// Called where /proc is still the host's.
int do_open_proc(const struct op *op)
{
    struct statfs info;

    (void)op;
    self.proc = SYS(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (self.proc < 0)
        return self.proc;
    if (fstatfs(self.proc, &info) < 0 || info.f_type != PROC_SUPER_MAGIC)
        return detail(-EXDEV, "/proc of this host is not a procfs");
    return 0;
}

int do_oom_score_adj(const struct op *op)
{
    char text[24];

    CLEANUP_FD int fd = SYS(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
    if (fd < 0)
        return fd;
    snprintf(text, sizeof text, "%d", (int)op_int(op, 0));
    return write_text(fd, text);
}

int do_setns_path(const struct op *op)
{
    CLEANUP_FD int fd = SYS(open(op_str(op, 1), O_RDONLY | O_CLOEXEC));
    return fd < 0 ? fd : (int)SYS(setns(fd, op_int(op, 0)));
}

int do_setns_process(const struct op *op)
{
    int result = SYS(setns(self.pidfd, op_int(op, 0)));

    close(self.pidfd);
    self.pidfd = -1;
    if (!result && op_int(op, 0) & CLONE_NEWNS)
        self.rootfd = SYS(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    return result;
}

// CLONE_PARENT makes the container's process a child of the runtime, so it outlives this stage as its
// caller expects: re-parented to the caller's subreaper when the runtime ends.
int do_clone(const struct op *op)
{
    struct clone3_args args = {.flags = op_int(op, 0) | CLONE_PARENT};

    // Without privilege the runtime may write the id maps of a dumpable process only (proc(5)). The child
    // takes the flag along, has entered nothing of anybody else's yet, and gives it up in become_root.
    if ((args.flags & CLONE_NEWUSER) && geteuid() != 0)
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    long pid = SYS(syscall(SYS_clone3, &args, sizeof args));
    if (pid < 0)
        return pid;
    if (pid > 0) {
        send_message(MSG_CLONED, pid, 0, NULL, -1);
        _exit(0);
    }
    return await_go();
}
