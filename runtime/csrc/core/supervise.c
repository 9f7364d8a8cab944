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

// One way between the terminal and our stdio. poll(2) promises room for a page in a pipe, and the master does
// not block: whoever does not read or write can't keep us from signals and from the container's end.
struct lane {
    int from, to; // -1: ended; what comes for a `to` that ended is dropped
    int held, sent;
    char bytes[4096];
};

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

static void lane_read(struct lane *lane)
{
    long got = CORE_RETRY(read(lane->from, lane->bytes, sizeof lane->bytes));

    if (got == -EAGAIN)
        return;
    if (got <= 0) // -EIO: a pty whose other side is closed
        lane->from = -1;
    lane->held = got > 0 && lane->to >= 0 ? got : 0;
    lane->sent = 0;
}

static void lane_write(struct lane *lane)
{
    long done = CORE_RETRY(write(lane->to, lane->bytes + lane->sent, lane->held - lane->sent));

    if (done == -EAGAIN)
        return;
    if (done < 0)
        lane->to = -1;
    lane->sent += done > 0 ? done : 0;
    if (done < 0 || lane->sent == lane->held)
        lane->held = 0;
}

static void lane_await(const struct lane *lane, struct pollfd *item)
{
    *item = lane->held ? (struct pollfd){lane->to, POLLOUT, 0} : (struct pollfd){lane->from, POLLIN, 0};
}

static void lane_move(struct lane *lane)
{
    if (lane->held)
        lane_write(lane);
    else
        lane_read(lane);
}

// 1 when `pid` has ended (*status is its wait status).
static int reap_children(int pid, int *status)
{
    int any, ended = 0, child;

    while ((child = CORE_RETRY(waitpid(-1, &any, WNOHANG))) > 0)
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
static void drain(struct lane *output)
{
    struct pollfd item;

    for (;;) {
        lane_await(output, &item);
        if (item.fd < 0 || poll(&item, 1, output->held ? -1 : 0) <= 0)
            return;
        lane_move(output);
    }
}

int tare_supervise(int pid, int signals, int master)
{
    struct lane input = {.from = master >= 0 ? 0 : -1, .to = master}, output = {.from = master, .to = 1};
    int status = 0, ended = reap_children(pid, &status);

    if (master >= 0)
        fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
    while (!ended) {
        struct pollfd items[3] = {{signals, POLLIN, 0}};
        lane_await(&output, &items[1]);
        lane_await(&input, &items[2]);
        if (CORE_RETRY(poll(items, 3, -1)) < 0)
            continue;
        if (items[1].revents)
            lane_move(&output);
        if (items[2].revents)
            lane_move(&input);
        if (items[0].revents)
            ended = take_signals(signals, pid, master, &status);
    }
    drain(&output);
    return status;
}
