// The system calls that Python's built-in modules do not offer, as functions that return 0-or-more or -errno.

#ifndef TARE_CORE_H
#define TARE_CORE_H

#include "../ops.h"
#include "constants.h"
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

enum { TARE_TEXT_MAX = MSG_TEXT_MAX + 1, TARE_TERMIOS_BYTES = 128 };

const char *tare_op_table(void);

// Carries out the host operations of a record; *failed: the index of the one that did not succeed. The files
// that host_open_cgroup opens and the trees of host_tree are added to `opened` (MAX_PASSED of room), *count:
// how many; the caller's. `pid`: the container's first process, once it is there.
int tare_host_run(const char *record, size_t size, int pid, int *failed, int *opened, unsigned *count);

// tree.c: a detached copy of the mount tree at `source`. Its ids are mapped as in the user namespace at
// `userns`, or by these maps; all "": they are not. The fd is the caller's.
int tare_host_tree(const char *source, const char *userns, const char *uids, const char *gids, int flags);
// net_device.c: moves a network device into the namespace of process `pid`.
int tare_move_net_device(int pid, const char *name, const char *new_name);

// renameat2(2) in one directory (-1: the paths are absolute, or count from where we are), with RENAME_*.
int tare_rename(int directory, const char *from, const char *to, unsigned flags);

// A sealed memfd with the static init in it. The fd is the caller's.
int tare_init_image(const char *path);
// A memfd with the record. The fd is the caller's.
int tare_record_file(const char *record, size_t size);
int tare_socketpair(int *ours, int *theirs);

struct tare_spawn {
    int image;  // from tare_init_image()
    int record; // from tare_record_file()
    int sync;   // init's end of the socket pair
    int gate;   // from tare_gate_listen(), or -1
    int pidfd;  // of the process whose namespaces are joined, or -1
    int stdio[3];
    int preserve_fds; // how many from 3 up the container keeps
};

// Starts init: the pid of stage one. All fds stay the caller's.
int tare_spawn(const struct tare_spawn *want);

struct tare_message {
    unsigned type; // MSG_*, 0 at the end of the connection
    unsigned value;
    int error;
    int fd; // received, the caller's; or -1
    unsigned length;
    char text[TARE_TEXT_MAX];
};

// One message: 1, 0 when the other end is closed, or -errno.
int tare_receive(int socket, struct tare_message *message);
// Lets init go on, with `count` descriptors: the files of its cgroups, and behind them as many mount trees as
// `trees` says. They stay the caller's.
int tare_go(int socket, const char *text, size_t length, const int *passed, unsigned count, unsigned trees);

// The gate: a socket in the state directory on which the created container waits for `start`.
int tare_gate_listen(int directory, const char *name);
int tare_gate_connect(int directory, const char *name);

int tare_pidfd_open(int pid);
int tare_pidfd_signal(int pidfd, int signal);
int tare_wait_pidfd(int pidfd, int timeout_ms); // 1: ended, 0: timed out
int tare_reap(int pid);                         // wait status, or -errno

// Runs a hook with `stdio` (3 descriptors, which stay the caller's): its pid, or -errno. It is killed where
// the thread that called this ends before it.
int tare_spawn_hook(const char *path, char **argv, char **env, const int *stdio);

int tare_subreaper(int on);
// Blocks every signal that can be forwarded: a signalfd, the caller's.
int tare_signals_take(void);
// Forwards signals to `pid` and copies between stdio and the pty `master` (or -1) until it ends: its wait
// status, or -errno.
int tare_supervise(int pid, int signals, int master);
int tare_raw_mode(int fd, char *saved);
void tare_restore_mode(int fd, const char *saved);
int tare_window_size(int from, int to);
// Sends the pty's master to the socket of `--console-socket`.
int tare_send_console(const char *path, int master, const char *name);

unsigned long long tare_bounding_set(void);

// What we were compiled for, as seccomp profiles name it without SCMP_ARCH_: "x86_64".
const char *tare_native_architecture(void);

#define CORE_RETRY(call)                                                                                     \
    ({                                                                                                       \
        long result_;                                                                                        \
        do                                                                                                   \
            result_ = (call);                                                                                \
        while (result_ < 0 && errno == EINTR);                                                               \
        result_ < 0 ? -errno : result_;                                                                      \
    })

#endif
