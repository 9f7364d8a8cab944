// What the operations of `init` share. There is one of everything: init serves one container, once.

#ifndef TARE_INIT_H
#define TARE_INIT_H

#include "../record/record.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

struct init {
    int sync;                 // seqpacket socket to the runtime; after `gate`, the connection of `start`
    int gate;                 // listening socket that `start` connects to, or -1
    int pidfd;                // of the process whose namespaces `exec` joins, or -1
    int proc;                 // the host's procfs (O_PATH), or -1
    int cgroups[MAX_CGROUPS]; // their files, open for writing, in the plan's order
    unsigned cgroup_count;
    int trees[MAX_TREES]; // detached mounts that the runtime has prepared, in the plan's order
    unsigned tree_count;
    int rootfd;                  // the root of the container (O_PATH); -1 before `rootfs`
    int timed;                   // whether the times of operations are reported
    char detail[MSG_TEXT_MAX];   // what else is known of a failure
    char program[PATH_MAX];      // found by `find_executable`
    char home[PATH_MAX + 8];     // "HOME=…" found by `home`, or ""
    char state[GO_TEXT_MAX + 1]; // JSON for hooks, from the runtime's last GO
};

extern struct init self;

// Every operation: 0, or -errno with self.detail set where there is more to say.
#define X(name, number, signature) int do_##name(const struct op *op);
TARE_OPS(X)
#undef X

int detail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

// message.c
int send_message(unsigned type, unsigned value, int error, const char *text, int fd);
int send_data(unsigned type, unsigned value, int error, const void *data, size_t size, int fd);
int await_go(void); // 0, or -errno: the runtime is gone
void warn(const struct op *op, int error, const char *text);
size_t bounded_copy(char *out, size_t size, const char *text);

// resolve.c: the only ways into the rootfs
int open_in_root(const char *path, int flags);                // openat2, RESOLVE_IN_ROOT | NO_MAGICLINKS
int open_in_root_plain(const char *path, int flags);          // and no symlink on the way
int make_in_root(const char *path, mode_t mode, int is_file); // mkdir -p; an O_PATH fd of the last
int make_in_root_nofollow(const char *path, int is_file);     // the last may be a symlink itself
int open_parent_in_root(const char *path, const char **name); // parents made; *name: last component
int open_proc_file(const char *path, int flags);              // below self.proc, no symlinks

// attribute.c
int open_own_proc_file(const char *name, int flags); // of this process, in self.proc
int open_own_proc_link(const char *name);            // what a link of its `ns` leads to

// bytes.c: lists of NUL-ended strings
int list_to_vector(const struct op *op, unsigned arg, char **vector, unsigned max);
const char *list_value(const struct op *op, unsigned arg, const char *name);

// timing.c
void times_before(const struct op *op);
void times_after(const struct op *op);
void send_times(void);

// copy_up.c
int copy_tree(int from, int to);

#define CLEANUP_FD __attribute__((cleanup(close_fd)))
static inline void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline int take_fd(int *fd)
{
    int kept = *fd;
    *fd = -1;
    return kept;
}

#define RETRY(call)                                                                                          \
    ({                                                                                                       \
        long result_;                                                                                        \
        do                                                                                                   \
            result_ = (call);                                                                                \
        while (result_ < 0 && errno == EINTR);                                                               \
        result_;                                                                                             \
    })

// A system call's result as 0-or-more / -errno.
#define SYS(call)                                                                                            \
    ({                                                                                                       \
        long value_ = RETRY(call);                                                                           \
        value_ < 0 ? -errno : value_;                                                                        \
    })

#endif
