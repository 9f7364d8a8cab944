// The launcher with an interpreter of the test's own beside it, which prints what it was given.

#define main launcher_main
#include "launcher.c"
#undef main

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

static const char SCRIPT[] = "#!/bin/sh\nfor word; do printf '%s\\n' \"$word\"; done\n";

static char folder[PATH_MAX], python_path[PATH_MAX + 16];

static void put_interpreter(void)
{
    int fd = open(python_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    CHECK(fd >= 0 && write(fd, SCRIPT, sizeof SCRIPT - 1) == (ssize_t)(sizeof SCRIPT - 1));
    close(fd);
}

// Runs the launcher in a child; returns its exit status and what it wrote on `stream`.
static int launch(int argc, char **argv, int stream, char *out, size_t size)
{
    int ends[2], status;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        int other = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(ends[1], stream);
        dup2(other, stream == 1 ? 2 : 1);
        _exit(launcher_main(argc, argv));
    }
    close(ends[1]);
    size_t got = 0;
    ssize_t n;
    while (got < size - 1 && (n = read(ends[0], out + got, size - 1 - got)) > 0)
        got += (size_t)n;
    out[got] = 0;
    close(ends[0]);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_arguments_arrive_unchanged_behind_the_isolation_flags(void)
{
    static char out[1 << 16], want[1 << 14];
    char *argv[] = {"tare-runtime", "run", "", "a b", "--", "$HOME", "-I", NULL};
    put_interpreter();
    snprintf(
        want, sizeof want,
        "-I\n-S\n-X\nutf8\n-X\nno_debug_ranges\n%.*s/lib/python3/site-packages/tare_runtime/__main__.py\n"
        "run\n\na b\n--\n$HOME\n-I\n",
        (int)(strrchr(folder, '/') - folder), folder);
    CHECK_INT(launch(7, argv, 1, out, sizeof out), 0);
    CHECK_STR(out, want);
}

static void test_no_argument_is_no_argument(void)
{
    static char out[1 << 14];
    char *argv[] = {"tare-runtime", NULL};
    put_interpreter();
    CHECK_INT(launch(1, argv, 1, out, sizeof out), 0);
    const char *tail = strstr(out, "__main__.py\n");
    CHECK(tail != NULL);
    CHECK_STR(tail ? tail : "", "__main__.py\n");
}

static void test_a_missing_interpreter_is_named(void)
{
    static char out[1 << 14], want[PATH_MAX + 128];
    char *argv[] = {"tare-runtime", "state", "x", NULL};
    unlink(python_path);
    CHECK_INT(launch(3, argv, 2, out, sizeof out), 1);
    snprintf(want, sizeof want, "tare-runtime: start the interpreter %s: No such file or directory\n",
             python_path);
    CHECK_STR(out, want);
}

static void test_too_many_arguments_are_refused_before_the_array_ends(void)
{
    static char out[1 << 14];
    char **argv = calloc(MAX_ARGS + 3, sizeof *argv);
    for (int i = 0; i < MAX_ARGS + 2; i++)
        argv[i] = "x";
    put_interpreter();
    CHECK_INT(launch(MAX_ARGS + 1, argv, 2, out, sizeof out), 1);
    CHECK(strstr(out, "Argument list too long") != NULL);
    argv[MAX_ARGS] = NULL;
    CHECK_INT(launch(MAX_ARGS, argv, 2, out, sizeof out), 0);
    free(argv);
}

int main(void)
{
    CHECK_INT(own_folder(folder, sizeof folder), 0);
    snprintf(python_path, sizeof python_path, "%s/python3", folder);
    test_arguments_arrive_unchanged_behind_the_isolation_flags();
    test_no_argument_is_no_argument();
    test_a_missing_interpreter_is_named();
    test_too_many_arguments_are_refused_before_the_array_ends();
    unlink(python_path);
    return check_failures != 0;
}
