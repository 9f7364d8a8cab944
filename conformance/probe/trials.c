/* Observations that try something and report how it ended: 0 or the errno. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

static void outcome(const char *key, long result)
{
    json_number(key, result < 0 ? errno : 0);
}

/* Writing without truncation, and nothing is written. */
void try_write(const char *key, const char *argument)
{
    int fd = open(argument, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    outcome(key, fd);
    if (fd >= 0)
        close(fd);
}

void try_open(const char *key, const char *argument)
{
    int fd = open(argument, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    outcome(key, fd);
    if (fd >= 0)
        close(fd);
}

/* A file of mode 0666, which the umask lessens; it stays. */
void try_create(const char *key, const char *argument)
{
    int fd = open(argument, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    outcome(key, fd);
    if (fd >= 0)
        close(fd);
}

void try_mkdir(const char *key, const char *argument)
{
    outcome(key, mkdir(argument, 0777));
}

void try_unlink(const char *key, const char *argument)
{
    outcome(key, unlink(argument));
}

static const struct {
    const char *name;
    long number;
} CALLS[] = {
    {"getpid", SYS_getpid},
    {"getppid", SYS_getppid},
    {"getpriority", SYS_getpriority},
    {"sethostname", SYS_sethostname},
    {"unshare", SYS_unshare},
    {"personality", SYS_personality},
    {"socket", SYS_socket},
    {"umask", SYS_umask},
    {"getpgid", SYS_getpgid},
    {"kill", SYS_kill},
    {"dup", SYS_dup},
    {"mlock", SYS_mlock},
    {"setpriority", SYS_setpriority},
    {"getsid", SYS_getsid},
};

/* call=NAME:ARG:ARG... with decimal arguments. */
void try_call(const char *key, const char *argument)
{
    long values[6] = {0};
    size_t length = strcspn(argument, ":");
    const char *at = argument + length;
    for (int i = 0; i < 6 && *at == ':'; i++) {
        char *stop;
        values[i] = strtol(at + 1, &stop, 10);
        at = stop;
    }
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++) {
        if (strlen(CALLS[i].name) != length || strncmp(CALLS[i].name, argument, length) != 0)
            continue;
        outcome(key,
                syscall(CALLS[i].number, values[0], values[1], values[2], values[3], values[4], values[5]));
        return;
    }
    json_text(key, "unknown call");
}

/* say=PATH:TEXT appends a line to a file: how hooks and programs leave marks in one order. */
void try_say(const char *key, const char *argument)
{
    char path[4096];
    size_t length = strcspn(argument, ":");
    if (length >= sizeof path || !argument[length]) {
        errno = EINVAL;
        json_errno(key);
        return;
    }
    memcpy(path, argument, length);
    path[length] = 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) {
        json_errno(key);
        return;
    }
    int written = dprintf(fd, "%s\n", argument + length + 1);
    close(fd);
    outcome(key, written);
}

/* What waits on standard input, up to its end. */
void try_echo(const char *key, IGNORED const char *argument)
{
    static char text[65536];
    size_t total = fread(text, 1, sizeof text, stdin);
    json_bytes(key, text, total);
}
