// A container in the foreground: signals go to it, its terminal comes to ours, its end is waited for.

#include "core.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

enum { COPY_BYTES = 32768 };

int tare_pidfd_open(int pid)
{
    return CORE_RETRY(syscall(SYS_pidfd_open, pid, 0));
}

int tare_pidfd_signal(int pidfd, int number)
{
    return CORE_RETRY(syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0));
}

int tare_wait_pidfd(int pidfd, int timeout_ms)
{
    struct pollfd item = {.fd = pidfd, .events = POLLIN};

    return CORE_RETRY(poll(&item, 1, timeout_ms));
}

int tare_reap(int pid)
{
    int status = 0, result = CORE_RETRY(waitpid(pid, &status, 0));

    return result < 0 ? result : status;
}

int tare_subreaper(int on)
{
    return CORE_RETRY(prctl(PR_SET_CHILD_SUBREAPER, on, 0, 0, 0));
}

// SIGURG is the Go callers' preemption noise, and what a fault of our own raises is not for the container.
int tare_signals_take(void)
{
    static const int ours[] = {SIGURG, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
    sigset_t set;

    sigfillset(&set);
    for (unsigned i = 0; i < sizeof ours / sizeof *ours; i++)
        sigdelset(&set, ours[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    return CORE_RETRY(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

int tare_window_size(int from, int to)
{
    struct winsize size;

    if (ioctl(from, TIOCGWINSZ, &size) < 0 || ioctl(to, TIOCSWINSZ, &size) < 0)
        return -errno;
    return 0;
}

int tare_raw_mode(int fd, char *saved)
{
    struct termios mode;

    _Static_assert(sizeof mode <= TARE_TERMIOS_BYTES, "termios fits the caller's buffer");
    if (tcgetattr(fd, &mode) < 0)
        return -errno;
    memcpy(saved, &mode, sizeof mode);
    cfmakeraw(&mode);
    return CORE_RETRY(tcsetattr(fd, TCSANOW, &mode));
}

void tare_restore_mode(int fd, const char *saved)
{
    struct termios mode;

    memcpy(&mode, saved, sizeof mode);
    tcsetattr(fd, TCSANOW, &mode);
}

static int write_all(int fd, const char *data, size_t size)
{
    while (size) {
        long done = CORE_RETRY(write(fd, data, size));
        if (done == -EAGAIN) {
            struct pollfd item = {.fd = fd, .events = POLLOUT};
            poll(&item, 1, -1);
            continue;
        }
        if (done < 0)
            return done;
        data += done;
        size -= done;
    }
    return 0;
}

// Bytes moved, 0 at the end, or -errno (-EIO: a pty whose other side is closed).
static long copy_some(int from, int to)
{
    static __thread char buffer[COPY_BYTES];
    long got = CORE_RETRY(read(from, buffer, sizeof buffer));

    if (got <= 0)
        return got;
    int result = write_all(to, buffer, got);
    return result < 0 ? result : got;
}

// 1 when `pid` has ended (*status is its wait status).
static int reap_children(int pid, int *status)
{
    int any, ended = 0, child;

    while ((child = waitpid(-1, &any, WNOHANG)) > 0)
        if (child == pid) {
            *status = any;
            ended = 1;
        }
    return ended;
}

static int take_signals(int signals, int pid, int master, int *status)
{
    struct signalfd_siginfo info;
    int ended = 0;

    while (read(signals, &info, sizeof info) == sizeof info) {
        int number = info.ssi_signo;
        if (number == SIGCHLD)
            ended |= reap_children(pid, status);
        else if (number == SIGWINCH && master >= 0)
            tare_window_size(0, master);
        else if (number != SIGPIPE && !ended)
            kill(pid, number);
    }
    return ended;
}

// What the program wrote last is still in the pty after its end. Others may hold the slave: no waiting.
static void drain(int master)
{
    struct pollfd item = {.fd = master, .events = POLLIN};

    while (poll(&item, 1, 0) > 0 && item.revents & POLLIN)
        if (copy_some(master, 1) <= 0)
            return;
}

int tare_supervise(int pid, int signals, int master)
{
    int status = 0, input = master >= 0 ? 0 : -1, output = master;

    if (reap_children(pid, &status))
        output = output >= 0 ? (drain(output), -1) : -1;
    else
        for (;;) {
            struct pollfd items[3] = {{signals, POLLIN, 0}, {output, POLLIN, 0}, {input, POLLIN, 0}};
            if (CORE_RETRY(poll(items, 3, -1)) < 0)
                continue;
            if (items[1].revents && copy_some(output, 1) <= 0)
                output = -1;
            if (items[2].revents && copy_some(0, master) <= 0)
                input = -1;
            if (items[0].revents && take_signals(signals, pid, master, &status))
                break;
        }
    if (output >= 0)
        drain(output);
    return status;
}
