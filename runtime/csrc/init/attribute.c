// Security attributes of the process itself: what label or profile its next exec takes.

#include "init.h"
#include <stdio.h>
#include <string.h>

// A file of the process's own directory in the host's procfs. "self" is a symlink, which open_proc_file()
// does not follow; read in that procfs it names the process as that procfs sees it, in whatever pid
// namespace the process itself is.
int open_own_proc_file(const char *name, int flags)
{
    char path[128], pid[24];
    long length = SYS(readlinkat(self.proc, "self", pid, sizeof pid - 1));

    if (length < 0)
        return length;
    pid[length] = 0;
    snprintf(path, sizeof path, "%s/%s", pid, name);
    return open_proc_file(path, flags);
}

// Such a link leads to no path, but to the namespace: it is followed in a directory that is checked to be
// ours.
int open_own_proc_link(const char *name)
{
    CLEANUP_FD int directory = open_own_proc_file("ns", O_PATH | O_DIRECTORY);

    return directory < 0 ? directory : (int)SYS(openat(directory, name + 3, O_RDONLY | O_CLOEXEC));
}

// AppArmor has a directory of its own since kernel 5.8, so that it can stack with another module.
static int open_attribute(const char *name, int flags)
{
    char path[64];

    snprintf(path, sizeof path, "attr/%s", name);
    int fd = open_own_proc_file(path, flags);
    if (fd != -ENOENT || strncmp(name, "apparmor/", 9))
        return fd;
    snprintf(path, sizeof path, "attr/%s", name + 9);
    return open_own_proc_file(path, flags);
}

static int is_confined(void)
{
    char label[64];
    CLEANUP_FD int fd = open_attribute("apparmor/current", O_RDONLY);
    long length = fd < 0 ? fd : SYS(read(fd, label, sizeof label));

    return length > 0 && (length < 10 || memcmp(label, "unconfined", 10));
}

// Under no_new_privs a confined process may only add to its confinement: "stack" does, "exec" is refused when
// the program is executed (kernel, security/apparmor/domain.c).
int do_attribute(const struct op *op)
{
    char text[4096];
    const char *value = op_str(op, 1);

    if (op_int(op, 2) && !strncmp(value, "exec ", 5) && is_confined()) {
        if (snprintf(text, sizeof text, "stack %s", value + 5) >= (int)sizeof text)
            return -ENAMETOOLONG;
        value = text;
    }
    CLEANUP_FD int fd = open_attribute(op_str(op, 0), O_WRONLY);
    if (fd < 0)
        return fd;
    long done = SYS(write(fd, value, strlen(value)));
    return done < 0 ? done : 0;
}
