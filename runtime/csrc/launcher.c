// The command `tare-runtime` where it is not one file: execs the interpreter beside it, isolated, on the
// package's __main__.
//
// -I -S keep site, .pth files, PYTHON* variables and the user's folders out: start-up is what a runtime
// spends most on, and no other package may take part in it.

#include "standard_streams.h"
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef PYTHON_DIR
#define PYTHON_DIR "python3"
#endif

enum { MAX_ARGS = 4096 };

static int fail(const char *what, const char *path)
{
    dprintf(2, "tare-runtime: %s %s: %s\n", what, path, strerror(errno));
    return 1;
}

// The folder of our own executable, without the trailing slash: PREFIX/bin.
static int own_folder(char *out, size_t size)
{
    ssize_t len = readlink("/proc/self/exe", out, size - 1);
    if (len < 0)
        return -1;
    out[len] = 0;
    char *slash = strrchr(out, '/');
    if (!slash)
        return -1;
    *slash = 0;
    return 0;
}

int main(int argc, char **argv)
{
    char folder[PATH_MAX], python[PATH_MAX + 64], script[PATH_MAX + 128];
    char *args[MAX_ARGS + 8];
    int n = 0;

    if (fill_standard_streams() < 0)
        return fail("open", "/dev/null");
    if (own_folder(folder, sizeof folder) < 0)
        return fail("find own folder by", "/proc/self/exe");
    snprintf(python, sizeof python, "%s/python3", folder);
#ifdef CHECKOUT
    snprintf(script, sizeof script, "%s/runtime/tare_runtime/__main__.py", CHECKOUT);
#else
    *strrchr(folder, '/') = 0;
    snprintf(script, sizeof script, "%s/lib/" PYTHON_DIR "/site-packages/tare_runtime/__main__.py", folder);
#endif
    if (argc > MAX_ARGS) {
        errno = E2BIG;
        return fail("start with that many arguments:", python);
    }
    args[n++] = python;
    args[n++] = "-I";
    args[n++] = "-S";
    args[n++] = "-X";
    args[n++] = "utf8";
    args[n++] = "-X";
    args[n++] = "no_debug_ranges"; // a quarter of the code's size, and never shown
    args[n++] = script;
    for (int i = 1; i < argc; i++)
        args[n++] = argv[i];
    args[n] = NULL;
    execv(python, args);
    return fail("start the interpreter", python);
}
