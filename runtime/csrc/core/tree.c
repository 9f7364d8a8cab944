// Mount trees that are copied on the host, for a container that may not do it itself.
//
// Root of a user namespace may not reach sources in directories that are for the host's root alone. And only
// who may mount a file system may map the ids of its files (mount_setattr(2), MOUNT_ATTR_IDMAP; kernel 5.12),
// in a mount that nobody has seen yet.

#include "core.h"
#include "mount_api.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int write_map(int pid, const char *name, const char *map)
{
    char path[48];

    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int fd = CORE_RETRY(open(path, O_WRONLY | O_CLOEXEC));
    if (fd < 0)
        return fd;
    long done = CORE_RETRY(write(fd, map, strlen(map)));
    close(fd);
    return done < 0 ? done : 0;
}

static int open_namespace(int pid)
{
    char path[48];

    snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
    return CORE_RETRY(open(path, O_RDONLY | O_CLOEXEC));
}

// A user namespace lives as long as a descriptor of it, so its one process is there until that is open: a
// plain fork that does nothing but wait for its end.
static int make_namespace(const char *uids, const char *gids)
{
    int pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

    if (pid < 0)
        return -errno;
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        for (;;)
            pause();
    }
    int result = write_map(pid, "uid_map", uids);
    if (!result)
        result = write_map(pid, "gid_map", gids);
    if (!result)
        result = open_namespace(pid);
    kill(pid, SIGKILL);
    tare_reap(pid);
    return result;
}

static int map_ids(int tree, int space, unsigned flags)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = space};

    return CORE_RETRY(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | flags, &attr, sizeof attr));
}

// What is mounted in the container must not reach the host: in its own copy of the host's mounts `init` sees
// to that (root_propagation), but this copy is made of the host's own.
static int stop_propagation(int tree)
{
    struct mount_attr attr = {.propagation = MS_SLAVE};

    return CORE_RETRY(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr));
}

static int map_tree(int tree, const char *userns, const char *uids, const char *gids, int flags)
{
    int space = *userns ? CORE_RETRY(open(userns, O_RDONLY | O_CLOEXEC)) : make_namespace(uids, gids);

    if (space < 0)
        return space;
    int result = map_ids(tree, space, flags & MOUNT_IDMAP_RECURSIVE ? AT_RECURSIVE : 0);
    close(space);
    return result;
}

int tare_host_tree(const char *source, const char *userns, const char *uids, const char *gids, int flags)
{
    unsigned how = OPEN_TREE_CLONE | O_CLOEXEC;

    if (flags & MOUNT_RECURSIVE)
        how |= AT_RECURSIVE;
    if (flags & MOUNT_SOURCE_NOFOLLOW)
        how |= AT_SYMLINK_NOFOLLOW;
    int tree = CORE_RETRY(syscall(SYS_open_tree, AT_FDCWD, source, how));
    if (tree < 0)
        return tree;
    int result = stop_propagation(tree);
    if (!result && (*userns || *uids))
        result = map_tree(tree, userns, uids, gids, flags);
    if (result < 0)
        close(tree);
    return result < 0 ? result : tree;
}
