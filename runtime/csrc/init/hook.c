// Hooks that the spec wants run inside the container's namespaces: createContainer and startContainer
// (runtime-spec 1.1, config.md "POSIX-platform Hooks").

#include "init.h"
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { MAX_STRINGS = 4096 };
static char *hook_argv[MAX_STRINGS], *hook_env[MAX_STRINGS];

// What it prints is kept in `report`, so that a failing hook can say why. Both are files in memory: no hook
// can hold us up by printing more than a pipe takes, and no state is too large for one.
static void run_child(const struct op *op, int input, int report)
{
    dup2(input, 0);
    dup2(report, 1);
    dup2(report, 2);
    syscall(SYS_close_range, 3U, ~0U, 0U);
    execve(op_str(op, 1), hook_argv, hook_env);
    _exit(127);
}

// Not on a standard stream's number, which run_child() overwrites.
static int memory_file(const char *name)
{
    CLEANUP_FD int fd = SYS(syscall(SYS_memfd_create, name, 1U /* MFD_CLOEXEC */));

    return fd < 0 ? fd : SYS(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

static int state_file(void)
{
    CLEANUP_FD int fd = memory_file("state");
    size_t length = strlen(self.state);

    if (fd < 0)
        return fd;
    if (SYS(write(fd, self.state, length)) != (long)length || lseek(fd, 0, SEEK_SET) < 0)
        return -EIO;
    return take_fd(&fd);
}

enum { ENDED, LATE, ALONE };

// Whether `child` has ended, not in time, or the runtime has: then nobody is there for what it prepares.
static int await_end(pid_t child, int timeout_ms)
{
    CLEANUP_FD int pidfd = SYS(syscall(SYS_pidfd_open, child, 0));
    struct pollfd items[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = self.sync}};

    if (pidfd < 0 || !SYS(poll(items, 2, timeout_ms)))
        return LATE;
    return items[0].revents ? ENDED : ALONE;
}

static int wait_child(const struct op *op, pid_t child, int timeout_ms)
{
    int status, how = await_end(child, timeout_ms > 0 ? timeout_ms : -1);

    if (how != ENDED)
        kill(child, SIGKILL);
    if (SYS(waitpid(child, &status, 0)) < 0)
        return -ECHILD;
    if (how == ALONE)
        return -EPIPE;
    return how == ENDED ? status : detail(-ETIMEDOUT, "%s: no end after %d ms", op_str(op, 0), timeout_ms);
}

static int report_failure(const struct op *op, int status, int report)
{
    char text[512];
    off_t size = lseek(report, 0, SEEK_END), from = size - (off_t)sizeof text + 1;
    long length = SYS(pread(report, text, sizeof text - 1, from > 0 ? from : 0));

    text[length > 0 ? length : 0] = 0;
    if (WIFSIGNALED(status))
        return detail(-ECANCELED, "%s: killed by signal %d: %s", op_str(op, 0), WTERMSIG(status), text);
    return detail(-ECANCELED, "%s: exit status %d: %s", op_str(op, 0), WEXITSTATUS(status), text);
}

int do_run_hook(const struct op *op)
{
    int64_t timeout_s = op_int(op, 4);
    int result = list_to_vector(op, 2, hook_argv, MAX_STRINGS);

    if (result >= 0)
        result = list_to_vector(op, 3, hook_env, MAX_STRINGS);
    if (result < 0)
        return result;
    CLEANUP_FD int input = state_file();
    if (input < 0)
        return input;
    CLEANUP_FD int report = memory_file("report");
    if (report < 0)
        return report;
    pid_t child = fork();
    if (!child)
        run_child(op, input, report);
    if (child < 0)
        return -errno;
    int64_t timeout_ms = timeout_s < INT_MAX / 1000 ? timeout_s * 1000 : INT_MAX;
    int status = wait_child(op, child, timeout_ms);
    if (status <= 0)
        return status;
    return report_failure(op, status, report);
}
