// Hooks that the spec wants run inside the container's namespaces: createContainer and startContainer
// (runtime-spec 1.1, config.md "POSIX-platform Hooks").

#include "init.h"
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { MAX_STRINGS = 4096 };
static char *hook_argv[MAX_STRINGS], *hook_env[MAX_STRINGS];

// Standard error comes back through `report`, so that a failing hook can say why.
static void run_child(const struct op *op, int input, int report)
{
    dup2(input, 0);
    dup2(report, 1);
    dup2(report, 2);
    syscall(SYS_close_range, 3U, ~0U, 0U);
    execve(op_str(op, 1), hook_argv, hook_env);
    _exit(127);
}

// State JSON may be larger than a pipe: it goes through a file in memory.
static int state_file(void)
{
    CLEANUP_FD int fd = SYS(syscall(SYS_memfd_create, "state", 1U /* MFD_CLOEXEC */));
    size_t length = strlen(self.state);

    if (fd < 0)
        return fd;
    if (SYS(write(fd, self.state, length)) != (long)length || lseek(fd, 0, SEEK_SET) < 0)
        return -EIO;
    return take_fd(&fd);
}

static int wait_child(const struct op *op, pid_t child, int pidfd, int timeout_ms)
{
    struct pollfd item = {.fd = pidfd, .events = POLLIN};
    int status;

    if (SYS(poll(&item, 1, timeout_ms)) == 0) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return detail(-ETIMEDOUT, "%s: no end after %d ms", op_str(op, 0), timeout_ms);
    }
    if (SYS(waitpid(child, &status, 0)) < 0)
        return -ECHILD;
    return status;
}

static int report_failure(const struct op *op, int status, int report)
{
    char text[512];
    long length = SYS(recv(report, text, sizeof text - 1, MSG_DONTWAIT));

    text[length > 0 ? length : 0] = 0;
    if (WIFSIGNALED(status))
        return detail(-ECANCELED, "%s: killed by signal %d: %s", op_str(op, 0), WTERMSIG(status), text);
    return detail(-ECANCELED, "%s: exit status %d: %s", op_str(op, 0), WEXITSTATUS(status), text);
}

int do_run_hook(const struct op *op)
{
    int report[2], timeout_s = op_int(op, 4);
    int result = list_to_vector(op, 2, hook_argv, MAX_STRINGS);

    if (result >= 0)
        result = list_to_vector(op, 3, hook_env, MAX_STRINGS);
    if (result < 0)
        return result;
    CLEANUP_FD int input = state_file();
    if (input < 0)
        return input;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, report) < 0)
        return -errno;
    pid_t child = fork();
    if (!child)
        run_child(op, input, report[1]);
    close(report[1]);
    CLEANUP_FD int ours = report[0];
    if (child < 0)
        return -errno;
    CLEANUP_FD int pidfd = SYS(syscall(SYS_pidfd_open, child, 0));
    int status = wait_child(op, child, pidfd, timeout_s > 0 ? timeout_s * 1000 : -1);
    if (status <= 0)
        return status;
    return report_failure(op, status, ours);
}
