// The wire format between the plan (Python) and what carries it out (C): the only definition of it.
//
// A record is: struct record_header · nops × (struct op_header + argc × u64) · the strings' bytes.
// An integer argument is its own u64 (two's complement); a string or byte argument is
// length << 32 | offset from the record's start, and the byte behind it is NUL. Numbers are little-endian,
// as every architecture we build for is. Offsets and lengths are checked once, by record_check(), before
// the first operation runs.

#ifndef TARE_OPS_H
#define TARE_OPS_H

#include <stdint.h>

// X(name, number, signature): i = integer, s = string without NUL inside, b = bytes.
#define TARE_OPS(X)                                                                                          \
    /* host */                                                                                               \
    X(host_mkdir, 1, "s")                                                                                    \
    X(host_write, 2, "ss")                                                                                   \
    X(host_copy_parent, 3, "ss")                                                                             \
    X(host_device_filter, 4, "sb")                                                                           \
    X(host_open_cgroup, 5, "s")                                                                              \
    X(host_write_present, 6, "ss")                                                                           \
    X(host_chown, 7, "sii")                                                                                  \
    X(host_tree, 8, "ssbbi")                                                                                 \
    X(host_net_device, 9, "ss")                                                                              \
    X(host_enable_controllers, 10, "s")                                                                      \
    /* enter */                                                                                              \
    X(oom_score_adj, 17, "i")                                                                                \
    X(setns_path, 18, "is")                                                                                  \
    X(setns_process, 19, "i")                                                                                \
    X(open_proc, 20, "")                                                                                     \
    X(clone, 21, "i")                                                                                        \
    /* setup */                                                                                              \
    X(recorded, 29, "")                                                                                      \
    X(join_cgroups, 30, "")                                                                                  \
    X(cgroup_namespace, 31, "")                                                                              \
    X(sync, 32, "i")                                                                                         \
    X(become_root, 33, "i")                                                                                  \
    X(setsid, 34, "")                                                                                        \
    X(loopback_up, 35, "")                                                                                   \
    X(sethostname, 36, "s")                                                                                  \
    X(setdomainname, 37, "s")                                                                                \
    X(sysctl, 38, "ss")                                                                                      \
    X(keyring, 39, "s")                                                                                      \
    X(root_propagation, 40, "i")                                                                             \
    X(rootfs, 41, "s")                                                                                       \
    X(mount, 42, "sssisii")                                                                                  \
    X(bind, 43, "ssiiiiii")                                                                                  \
    X(remount, 44, "sii")                                                                                    \
    X(mkdir, 45, "si")                                                                                       \
    X(mknod, 46, "siiiii")                                                                                   \
    X(symlink, 47, "ss")                                                                                     \
    X(mask, 48, "s")                                                                                         \
    X(readonly, 49, "s")                                                                                     \
    X(pivot_root, 50, "i")                                                                                   \
    X(root_attr, 51, "ii")                                                                                   \
    X(console, 52, "iiii")                                                                                   \
    X(run_hook, 53, "ssbbi")                                                                                 \
    X(rlimit, 54, "iii")                                                                                     \
    X(chdir, 55, "s")                                                                                        \
    X(drop_bounding, 56, "i")                                                                                \
    X(user, 57, "iiibi")                                                                                     \
    X(capset, 58, "iiii")                                                                                    \
    X(no_new_privs, 59, "")                                                                                  \
    X(seccomp, 60, "bi")                                                                                     \
    X(find_executable, 61, "sb")                                                                             \
    X(home, 62, "i")                                                                                         \
    X(ready, 63, "")                                                                                         \
    X(gate, 64, "")                                                                                          \
    X(close_fds, 65, "i")                                                                                    \
    X(exec, 66, "bb")                                                                                        \
    X(attribute, 70, "ssi")                                                                                  \
    X(time_namespace, 71, "s")                                                                               \
    X(personality, 72, "i")                                                                                  \
    X(scheduler, 73, "iiiiiii")                                                                              \
    X(io_priority, 74, "i")                                                                                  \
    X(cpu_affinity, 75, "b")                                                                                 \
    X(memory_policy, 76, "ib")                                                                               \
    X(bind_tree, 77, "isiiiiii")                                                                             \
    X(open_rootfs, 78, "s")                                                                                  \
    X(unmount, 79, "s")                                                                                      \
    X(raise_limit, 90, "ii")

enum {
#define X(name, number, signature) OP_##name = number,
    TARE_OPS(X)
#undef X
        OP_LIMIT = 96,
    OP_MAX_ARGS = 8,
    RECORD_MAGIC = 0x54415245, // "ERAT" in memory: not text anyone would send by mistake
    RECORD_VERSION = 1,
    RECORD_TIMED = 1 << 16, // set in the version: init reports when each operation began and ended
    RECORD_MAX_BYTES = 16 << 20,
};

struct record_header {
    uint32_t magic;
    uint32_t version;
    uint32_t size; // of the whole record, bytes
    uint32_t nops;
};

struct op_header {
    uint16_t kind;
    uint16_t argc;
    uint32_t index; // position in the list: what a failure is reported by
};

// Flags of `mount` and `bind`; the same numbers stand in plan/ops.py.
enum {
    MOUNT_PLAIN_DIRECTORY = 1,
    MOUNT_RECURSIVE = 2,
    MOUNT_COPY_UP = 4,
    MOUNT_SOURCE_NOFOLLOW = 8,
    MOUNT_TARGET_NOFOLLOW = 16,
    MOUNT_COPY_SYMLINK = 32,
    MOUNT_IDMAP_RECURSIVE = 64,
};

enum { PIVOT_BY_PIVOT = 0, PIVOT_BY_MOVE = 1, PIVOT_BY_CHROOT = 2 };

// --- messages on the seqpacket socket between the runtime and init, and on the gate's connection -------

enum {
    MSG_FAIL = 1,    // value: op index; error: errno; text: what the kernel or we say besides
    MSG_CLONED = 2,  // value: pid of the container's process, in stage one's pid namespace
    MSG_SYNC = 3,    // value: the point reached
    MSG_CONSOLE = 4, // carries the master's fd; text: the slave's name
    MSG_READY = 5,
    MSG_WARN = 6,  // like FAIL, but init goes on
    MSG_GO = 7,    // from the runtime; text: state JSON where hooks follow; value: GO_*
    MSG_EXEC = 8,  // the program comes next: the end of the connection is its beginning, and not init's end
    MSG_TIMES = 9, // value: how many struct op_times follow in place of a text
    MSG_LISTENER = 9, // carries the listener of the seccomp filter; init waits until it is delivered
    MSG_TEXT_MAX = 1000,
    MAX_CGROUPS = 32, // hierarchies of v1
    MAX_TREES = 200,  // id-mapped mounts: one message takes 253 descriptors (unix(7))
    MAX_PASSED = MAX_CGROUPS + MAX_TREES,
    GO_TEXT_MAX = 65536, // annotations make state JSON large
};

// The value of a GO: how many of its descriptors are mount trees (the last ones), and whether to report times
// from here on.
enum { GO_TREES = 0xFFFF, GO_TIMED = 0x10000 };

// Nanoseconds of CLOCK_REALTIME: the one clock that a time namespace does not shift.
struct op_times {
    uint64_t index;
    uint64_t begin;
    uint64_t end;
};

struct message {
    uint32_t type;
    uint32_t value;
    int32_t error;
    uint32_t length; // of the text that follows
};

#endif
