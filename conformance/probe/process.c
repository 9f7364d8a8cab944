#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "probe.h"

static void strings(const char *key, char **list)
{
    json_open(key, '[');
    for (; *list; list++)
        json_text(NULL, *list);
    json_close(']');
}

void see_args(const char *key, IGNORED const char *argument)
{
    strings(key, probe_argv);
}

void see_env(const char *key, IGNORED const char *argument)
{
    strings(key, probe_environ);
}

void see_cwd(const char *key, IGNORED const char *argument)
{
    char path[PATH_MAX];
    if (getcwd(path, sizeof path))
        json_text(key, path);
    else
        json_errno(key);
}

static void link_of(const char *folder, const char *name)
{
    char path[PATH_MAX], target[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ssize_t length = readlink(path, target, sizeof target);
    if (length < 0)
        json_errno(name);
    else
        json_bytes(name, target, (size_t)length);
}

static void links_in(const char *key, const char *folder, int except)
{
    DIR *open_folder = opendir(folder);
    struct dirent *entry;
    if (!open_folder) {
        json_errno(key);
        return;
    }
    if (except < 0)
        except = dirfd(open_folder);
    json_open(key, '{');
    while ((entry = readdir(open_folder))) {
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == except)
            continue;
        link_of(folder, entry->d_name);
    }
    json_close('}');
    closedir(open_folder);
}

/* Every descriptor but the one that reads the list. */
void see_fds(const char *key, IGNORED const char *argument)
{
    links_in(key, "/proc/self/fd", -1);
}

void see_namespaces(const char *key, IGNORED const char *argument)
{
    links_in(key, "/proc/self/ns", INT_MAX);
}

void see_tty(const char *key, IGNORED const char *argument)
{
    struct winsize size = {0};
    char name[PATH_MAX] = "";
    json_open(key, '{');
    json_open("isatty", '[');
    for (int fd = 0; fd < 3; fd++)
        json_truth(NULL, isatty(fd));
    json_close(']');
    if (ioctl(0, TIOCGWINSZ, &size) == 0) {
        json_number("height", size.ws_row);
        json_number("width", size.ws_col);
    }
    if (ttyname_r(0, name, sizeof name) == 0)
        json_text("name", name);
    json_number("foreground", tcgetpgrp(0));
    json_close('}');
}

void see_pids(const char *key, IGNORED const char *argument)
{
    json_open(key, '{');
    json_number("pid", getpid());
    json_number("ppid", getppid());
    json_number("session", getsid(0));
    json_close('}');
}

void see_uts(const char *key, IGNORED const char *argument)
{
    struct utsname names;
    if (uname(&names)) {
        json_errno(key);
        return;
    }
    json_open(key, '{');
    json_text("hostname", names.nodename);
    json_text("domainname", names.domainname);
    json_text("machine", names.machine);
    json_close('}');
}
