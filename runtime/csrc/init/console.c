// A terminal of the container's own devpts.

#include "init.h"
#include "mounts.h"
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif
enum { PTMX_MAJOR = 5, PTMX_MINOR = 2 };

// Before the pivot the container's devpts is below rootfd; `exec` has its root already.
static int open_master(void)
{
    struct stat info;
    CLEANUP_FD int master = open_in_root("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (master == -ENOENT)
        master = open_in_root("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0)
        return detail(master, "the container has no /dev/pts/ptmx: mount a devpts there");
    if (fstat(master, &info) < 0 || !S_ISCHR(info.st_mode) || info.st_rdev != makedev(PTMX_MAJOR, PTMX_MINOR))
        return detail(-ENODEV, "/dev/pts/ptmx in the container is not a pty multiplexer");
    return take_fd(&master);
}

// A link there would have the pty mounted over a file that is about to be masked (CVE-2025-52565).
static int console_target(void)
{
    struct stat info;
    const char *name;

    CLEANUP_FD int dev = open_parent_in_root("/dev/console", &name);
    if (dev < 0)
        return dev;
    int made = SYS(openat(dev, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0644));
    if (made >= 0)
        close(made);
    CLEANUP_FD int target = SYS(openat(dev, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (target >= 0 && !fstat(target, &info) && S_ISLNK(info.st_mode))
        return -ELOOP;
    return take_fd(&target);
}

// The slave is reached through the master (TIOCGPTPEER), not by its name, and bound by descriptor.
static int bind_console(int slave)
{
    CLEANUP_FD int target = console_target();
    if (target < 0)
        return detail(target, target == -ELOOP ? "/dev/console is a symlink" : "/dev/console");
    CLEANUP_FD int tree = SYS(syscall(SYS_open_tree, slave, "", OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH));
    return tree < 0 ? detail(tree, "bind of the pty on /dev/console") : attach(tree, target);
}

static int take_stdio(int slave)
{
    int result = SYS(ioctl(slave, TIOCSCTTY, 0));

    for (int fd = 0; fd < 3 && result >= 0; fd++)
        result = SYS(dup2(slave, fd));
    return result < 0 ? result : 0;
}

int do_console(const struct op *op)
{
    struct winsize size = {.ws_col = op_int(op, 0), .ws_row = op_int(op, 1)};
    int number = 0, unlock = 0;
    char name[32];

    CLEANUP_FD int master = open_master();
    if (master < 0)
        return master;
    int result = SYS(ioctl(master, TIOCSPTLCK, &unlock));
    if (!result)
        result = SYS(ioctl(master, TIOCGPTN, &number));
    if (result < 0)
        return result;
    CLEANUP_FD int slave = SYS(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (slave < 0)
        return slave;
    if (size.ws_col && size.ws_row)
        result = SYS(ioctl(master, TIOCSWINSZ, &size));
    if (!result)
        result = SYS(fchown(slave, op_int(op, 2), -1));
    if (!result && op_int(op, 3))
        result = bind_console(slave);
    if (result < 0)
        return result;
    snprintf(name, sizeof name, "/dev/pts/%d", number);
    result = send_message(MSG_CONSOLE, 0, 0, name, master);
    if (!result)
        result = await_go(); // the master has been taken, and has its size: the program sees no other
    return result < 0 ? result : take_stdio(slave);
}
