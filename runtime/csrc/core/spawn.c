// From the interpreter to init: a sealed copy of init, and a child that becomes it at once.

#include "core.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static int memory_file(const char *name, unsigned flags)
{
    int fd = syscall(SYS_memfd_create, name, MFD_CLOEXEC | flags);

    if (fd < 0 && errno == EINVAL && flags & MFD_EXEC) // kernels before 6.3
        fd = syscall(SYS_memfd_create, name, MFD_CLOEXEC | (flags & ~MFD_EXEC));
    return fd < 0 ? -errno : fd;
}

static int copy_file(int from, int to)
{
    for (;;) {
        long moved = CORE_RETRY(sendfile(to, from, NULL, 1 << 24));
        if (moved <= 0)
            return moved;
    }
}

static int copy_path(const char *path, int to)
{
    int from = CORE_RETRY(open(path, O_RDONLY | O_CLOEXEC));
    if (from < 0)
        return from;
    int result = copy_file(from, to);
    close(from);
    return result;
}

static int copy_memory(const char *from, size_t size, int to)
{
    while (size > 0) {
        long done = CORE_RETRY(write(to, from, size));
        if (done < 0)
            return done;
        from += done;
        size -= done;
    }
    return 0;
}

// Present where everything is linked into one file, csrc/snapshot.
extern const char tare_embedded_init[] __attribute__((weak));
extern const char tare_embedded_init_end[] __attribute__((weak));

int tare_init_image(const char *path)
{
    const char *embedded = tare_embedded_init;
    int image = memory_file("tare-init", MFD_ALLOW_SEALING | MFD_EXEC);
    if (image < 0)
        return image;
    int result =
        embedded ? copy_memory(embedded, tare_embedded_init_end - embedded, image) : copy_path(path, image);
    if (!result)
        result =
            CORE_RETRY(fcntl(image, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
    if (result < 0)
        close(image);
    return result < 0 ? result : image;
}

int tare_record_file(const char *record, size_t size)
{
    int fd = memory_file("tare-plan", MFD_ALLOW_SEALING);

    if (fd < 0)
        return fd;
    long done = CORE_RETRY(write(fd, record, size));
    if (done == (long)size)
        return fd;
    close(fd);
    return done < 0 ? done : -ENOSPC;
}

int tare_socketpair(int *ours, int *theirs)
{
    int pair[2], room = GO_TEXT_MAX + 4096;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    *ours = pair[0];
    *theirs = pair[1];
    return 0;
}

// The child shares our memory until it execs (vfork): it only moves descriptors, and leaves in *failure why
// it could not. Each source is first lifted above all targets, so that none is overwritten before it is used.
static void become_init(const struct tare_spawn *want, char **argv, volatile int *failure)
{
    int base = 3 + want->preserve_fds, top = base + 8;
    const int source[8] = {want->stdio[0], want->stdio[1], want->stdio[2], want->sync,
                           want->record,   want->gate,     want->pidfd,    want->image};
    const int target[8] = {0, 1, 2, base, base + 1, base + 2, base + 3, base + 4};
    int lifted[8];

    for (int i = 0; i < 8; i++) {
        lifted[i] = source[i] < 0 ? -1 : fcntl(source[i], F_DUPFD, top);
        if (source[i] >= 0 && lifted[i] < 0) {
            *failure = errno == EINVAL ? EMFILE : errno; // EINVAL: `top` is above the limit itself
            _exit(126);
        }
    }
    for (int i = 0; i < 8; i++) {
        if (lifted[i] < 0) {
            close(target[i]);
        } else {
            int moved = CORE_RETRY(dup2(lifted[i], target[i]));
            if (moved < 0) {
                *failure = -moved;
                _exit(126);
            }
        }
    }
    syscall(SYS_close_range, base + 5, ~0U, 0U);
    fcntl(base + 4, F_SETFD, FD_CLOEXEC);
    char *env[] = {NULL};
    syscall(SYS_execveat, base + 4, "", argv, env, 0x1000 /* AT_EMPTY_PATH */);
    *failure = errno;
    _exit(127);
}

int tare_spawn(const struct tare_spawn *want)
{
    char number[16];
    char *argv[] = {"tare-init", number, NULL};
    sigset_t all, before;
    volatile int failure = 0;

    snprintf(number, sizeof number, "%d", 3 + want->preserve_fds);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before); // no handler may run in memory that is shared
    pid_t pid = vfork();
    if (!pid)
        become_init(want, argv, &failure);
    int error = pid < 0 ? errno : failure;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid > 0 && error)
        tare_reap(pid);
    return error ? -error : pid;
}

unsigned long long tare_bounding_set(void)
{
    unsigned long long set = 0;

    for (int cap = 0; cap < 64; cap++)
        if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
            set |= 1ULL << cap;
    return set;
}
