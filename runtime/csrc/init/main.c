// init: carries a plan out, in two stages.
//
// Stage one runs where the runtime runs: it joins the namespaces that exist already, then
// clones stage two with the new ones and goes. Stage two is the container's first process; it
// walks the rest of the plan and becomes the container's program. It is executed from a sealed memfd before
// it enters anything, is not dumpable, and holds no descriptor that it does not need: nothing of the
// runtime's interpreter can be reached from inside a container (CVE-2019-5736, CVE-2024-21626).

#include "init.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

struct init self = {.sync = -1, .gate = -1, .pidfd = -1, .proc = -1, .rootfd = -1};

typedef int (*operation)(const struct op *);

static const operation OPERATIONS[OP_LIMIT] = {
#define X(name, number, signature) [number] = do_##name,
    TARE_OPS(X)
#undef X
};

// Host operations are the runtime's: in init they are a mistake of the encoder.
#define HOST_OPERATION(name)                                                                                 \
    int do_##name(const struct op *op)                                                                       \
    {                                                                                                        \
        (void)op;                                                                                            \
        return -ENOSYS;                                                                                      \
    }
HOST_OPERATION(host_mkdir)
HOST_OPERATION(host_write)
HOST_OPERATION(host_copy_parent)
HOST_OPERATION(host_device_filter)
HOST_OPERATION(host_open_cgroup)
HOST_OPERATION(host_write_present)
HOST_OPERATION(host_chown)
HOST_OPERATION(host_tree)
HOST_OPERATION(host_net_device)
HOST_OPERATION(host_enable_controllers)

// The program starts with default dispositions and nothing blocked, whatever our caller had. execve(2) has
// reset what was caught; what was ignored is left (real-time signals: by nobody that starts a runtime).
static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < 32; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static const void *map_record(int fd, size_t *size)
{
    struct stat info;

    if (fstat(fd, &info) < 0)
        return NULL;
    *size = info.st_size;
    void *record = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return record == MAP_FAILED ? NULL : record;
}

static int optional_fd(int fd)
{
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -1;
    return fd;
}

static int walk(const void *record)
{
    size_t cursor = 0;
    struct op op;

    self.timed = (((const struct record_header *)record)->version & RECORD_TIMED) != 0;
    while (record_next(record, &cursor, &op)) {
        self.detail[0] = 0;
        if (self.timed)
            times_before(&op);
        int result = OPERATIONS[op.kind](&op);
        if (self.timed)
            times_after(&op);
        if (result < 0) {
            if (self.timed)
                send_times();
            send_message(MSG_FAIL, op.index, -result, self.detail, -1);
            return 1;
        }
    }
    return 0;
}

// argv[1]: the number of the first of our descriptors: socket, record, gate, pidfd, in this order.
int main(int argc, char **argv)
{
    size_t size = 0;

    if (argc != 2)
        return 2;
    int base = atoi(argv[1]);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NAME, "tare-init", 0, 0, 0);
    reset_signals();
    umask(0); // modes in the plan are exact; `user` sets the container's umask
    self.sync = optional_fd(base);
    self.gate = optional_fd(base + 2);
    self.pidfd = optional_fd(base + 3);
    const void *record = map_record(base + 1, &size);
    if (!record || record_check(record, size) < 0) {
        send_message(MSG_FAIL, 0, EBADMSG, "the plan does not fit this init", -1);
        return 1;
    }
    return walk(record);
}
