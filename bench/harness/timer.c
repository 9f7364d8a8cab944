// Starts programs and says what they cost: wall clock by CLOCK_MONOTONIC, CPU and peak memory by wait4.
//
// A request on stdin is a 4-byte length and that many bytes of NUL-terminated strings:
//   "r" PROGRAM ARG…   run it to its end, stdin and stdout on /dev/null, stderr on our own stderr
//   "w" PID            wait for that process (a container left to us, since we are a subreaper)
// The answer on stdout is one struct answer.
//
// A program of its own, small and static: the peak memory that the kernel reports for a child begins at
// that of the process which spawned it, and an interpreter's fork would be in every figure.

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { MAX_REQUEST = 65536, MAX_ARGS = 256 };

struct answer {
    int64_t wall_ns, user_us, sys_us, peak_kib;
    int64_t status; // exit code; 128 + signal; -errno when it could not be started or waited for
};

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t us(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

static int read_all(void *buffer, size_t want)
{
    for (size_t got = 0; got < want;) {
        ssize_t n = read(0, (char *)buffer + got, want - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        got += (size_t)n;
    }
    return 0;
}

static void wait_for(pid_t pid, int64_t start, struct answer *out)
{
    struct rusage used;
    int status;
    pid_t done;
    do
        done = wait4(pid, &status, 0, &used);
    while (done < 0 && errno == EINTR);
    out->wall_ns = now_ns() - start;
    if (done < 0) {
        out->status = -errno;
        return;
    }
    out->user_us = us(used.ru_utime);
    out->sys_us = us(used.ru_stime);
    out->peak_kib = used.ru_maxrss;
    out->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void run(char **argv, const posix_spawn_file_actions_t *actions, struct answer *out)
{
    pid_t pid;
    int64_t start = now_ns();
    int err = posix_spawnp(&pid, argv[0], actions, NULL, argv, environ);
    if (err)
        out->status = -err;
    else
        wait_for(pid, start, out);
}

// Splits BUFFER at its NULs; returns how many strings there are.
static int split(char *buffer, uint32_t size, char **argv)
{
    int n = 0;
    for (char *at = buffer; at < buffer + size && n < MAX_ARGS - 1; at += strlen(at) + 1)
        argv[n++] = at;
    argv[n] = NULL;
    return n;
}

int main(void)
{
    static char buffer[MAX_REQUEST + 1];
    char *argv[MAX_ARGS];
    posix_spawn_file_actions_t actions;
    uint32_t size;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    while (read_all(&size, sizeof size) == 0) {
        struct answer out = {0};
        if (size > MAX_REQUEST || read_all(buffer, size) < 0)
            return 2;
        buffer[size] = 0;
        if (split(buffer, size, argv) < 2)
            return 2;
        if (argv[0][0] == 'r')
            run(argv + 1, &actions, &out);
        else
            wait_for((pid_t)atoi(argv[1]), now_ns(), &out);
        if (write(1, &out, sizeof out) != sizeof out)
            return 2;
    }
    return 0;
}
