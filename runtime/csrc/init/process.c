// The last steps: working directory, the program found, descriptors closed, exec.

#include "init.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { MAX_STRINGS = 1 << 17 };

// A leaked descriptor of a host directory makes "/proc/self/fd/N" a working directory outside the root
// (CVE-2024-21626). getcwd(2) then answers with a path that does not begin with "/".
int do_chdir(const struct op *op)
{
    char where[PATH_MAX];
    int result = SYS(chdir(op_str(op, 0)));

    if (result < 0)
        return result;
    long length = SYS(syscall(SYS_getcwd, where, sizeof where));
    if (length < 0 || where[0] != '/')
        return detail(-EPERM, "the working directory lies outside the container's root");
    return 0;
}

static int is_program(const char *path)
{
    struct stat info;

    if (stat(path, &info) < 0)
        return -errno;
    if (S_ISDIR(info.st_mode))
        return detail(-EISDIR, "%.900s", path);
    return SYS(syscall(SYS_faccessat, AT_FDCWD, path, X_OK));
}

static int search_path(const char *name, const char *path)
{
    int denied = 0;

    for (const char *end = path; *end; path = end + 1) {
        end = strchrnul(path, ':');
        int length = end - path;
        int size =
            snprintf(self.program, sizeof self.program, "%.*s%s%s", length, path, length ? "/" : "./", name);
        if (size < (int)sizeof self.program) {
            int result = is_program(self.program);
            if (!result)
                return 0;
            denied |= result == -EACCES;
        }
        if (!*end)
            break;
    }
    self.program[0] = 0;
    return denied ? -EACCES : detail(-ENOENT, "executable file not found in $PATH");
}

// A name with a slash is taken as it is; any other is looked up in PATH of the container's environment.
int do_find_executable(const struct op *op)
{
    const char *name = op_str(op, 0), *path = list_value(op, 1, "PATH");

    if (!strchr(name, '/'))
        return *name ? search_path(name, path ? path : "") : detail(-ENOENT, "the name is empty");
    if (bounded_copy(self.program, sizeof self.program, name) < strlen(name))
        return -ENAMETOOLONG;
    return is_program(self.program);
}

// From here on init holds its sockets alone. close_range(2) marks instead of closing, as the socket that
// failures are reported on must live until exec succeeds.
int do_close_fds(const struct op *op)
{
    unsigned first = op_int(op, 0);

    close_fd(&self.rootfd);
    close_fd(&self.proc);
    self.rootfd = self.proc = -1;
    return SYS(syscall(SYS_close_range, first, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC, kernel 5.11 */));
}

static char **anonymous_vector(void)
{
    void *memory =
        mmap(NULL, MAX_STRINGS * sizeof(char *), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

int do_exec(const struct op *op)
{
    char **argv = anonymous_vector(), **env = anonymous_vector();

    if (!argv || !env)
        return -ENOMEM;
    int count = list_to_vector(op, 0, argv, MAX_STRINGS);
    if (count < 0)
        return count;
    count = list_to_vector(op, 1, env, MAX_STRINGS - 1);
    if (count < 0)
        return count;
    if (self.home[0]) {
        env[count++] = self.home;
        env[count] = NULL;
    }
    send_message(MSG_EXEC, 0, 0, NULL, -1);
    execve(self.program, argv, env);
    return -errno;
}

// --- HOME ----------------------------------------------------------------------------------------------

// The home directory in one line of passwd(5), where its third field is `uid`.
static int home_in_line(char *line, const char *uid)
{
    char *field[6] = {line};

    for (int n = 1; n < 6; n++) {
        field[n] = strchr(field[n - 1], ':');
        if (!field[n])
            return 0;
        *field[n]++ = 0;
    }
    field[5][strcspn(field[5], ":")] = 0;
    if (strcmp(field[2], uid) || !*field[5])
        return 0;
    snprintf(self.home, sizeof self.home, "HOME=%.4000s", field[5]);
    return 1;
}

static void search_passwd(int fd, const char *uid)
{
    static char text[65536];
    size_t held = 0;
    long got;

    // Bounded: a passwd of gigabytes is an attack, not a user list (CVE-2026-47262).
    for (int rounds = 0; rounds < 64; rounds++) {
        got = SYS(read(fd, text + held, sizeof text - 1 - held));
        if (got <= 0)
            break;
        held += got;
        text[held] = 0;
        char *line = text, *end;
        while ((end = strchr(line, '\n'))) {
            *end = 0;
            if (home_in_line(line, uid))
                return;
            line = end + 1;
        }
        held -= line - text;
        if (held == sizeof text - 1)
            return;
        memmove(text, line, held);
    }
    text[held] = 0;
    home_in_line(text, uid);
}

int do_home(const struct op *op)
{
    char uid[24];
    struct stat info;

    snprintf(uid, sizeof uid, "%lld", (long long)op_int(op, 0));
    snprintf(self.home, sizeof self.home, "HOME=/");
    // O_NONBLOCK: the file may be a fifo; then it is not read.
    CLEANUP_FD int fd = SYS(open("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (fd >= 0 && !fstat(fd, &info) && S_ISREG(info.st_mode))
        search_passwd(fd, uid);
    return 0;
}
