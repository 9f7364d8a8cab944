// A hook as a child that does not outlive the runtime: what it prepares is for nobody once we are killed.

#include "core.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>

// The child shares our memory until it execs (vfork). Its descriptors are lifted first, so that none is
// overwritten before it is used. The interpreter ignores SIGPIPE and SIGXFSZ, which a child would inherit.
static void become_hook(const char *path, char **argv, char **env, const int *stdio, pid_t parent,
                        volatile int *failure)
{
    int lifted[3];
    sigset_t none;

    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent) // killed before that took effect
        _exit(126);
    for (int i = 0; i < 3; i++)
        lifted[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 3);
    for (int i = 0; i < 3; i++)
        if (lifted[i] < 0 || dup2(lifted[i], i) < 0) {
            *failure = errno;
            _exit(126);
        }
    execve(path, argv, env);
    *failure = errno;
    _exit(127);
}

int tare_spawn_hook(const char *path, char **argv, char **env, const int *stdio)
{
    sigset_t all, before;
    volatile int failure = 0;
    pid_t parent = getpid();

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before); // no handler may run in memory that is shared
    pid_t pid = vfork();
    if (!pid)
        become_hook(path, argv, env, stdio, parent, &failure);
    int error = pid < 0 ? errno : failure;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid > 0 && error)
        tare_reap(pid);
    return error ? -error : pid;
}
