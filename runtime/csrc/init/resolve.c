// The only ways into the rootfs.
//
// The rootfs is hostile: any component of any path in it may be a symlink, or become one while we look.
// Every lookup is therefore one openat2(2) against the rootfs's own descriptor with RESOLVE_IN_ROOT (".."
// and absolute links stay inside) and RESOLVE_NO_MAGICLINKS (no way out through /proc), and what follows is
// done on the descriptor, never on the path again. Kernel 5.6.

#include "init.h"
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

static int open_how(int dir, const char *path, int flags, uint64_t resolve)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};

    for (int tries = 0; tries < 64; tries++) { // EAGAIN: a rename raced with ".."; openat2(2)
        long fd = SYS(syscall(SYS_openat2, dir, path, &how, sizeof how));
        if (fd != -EAGAIN)
            return fd;
    }
    return -EAGAIN;
}

static const char *relative(const char *path)
{
    while (*path == '/')
        path++;
    return *path ? path : ".";
}

int open_in_root(const char *path, int flags)
{
    return open_how(self.rootfd, relative(path), flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int open_in_root_plain(const char *path, int flags)
{
    return open_how(self.rootfd, relative(path), flags, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

// procfs as the host mounts it, opened before the rootfs is anywhere: nothing in it can be replaced from a
// container (CVE-2025-52881), and RESOLVE_NO_XDEV refuses what might be mounted over parts of it.
int open_proc_file(const char *path, int flags)
{
    return open_how(self.proc, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

static int make_one(int parent, const char *name, mode_t mode, int is_file)
{
    int result;

    if (is_file) {
        result = SYS(openat(parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0644));
        if (result >= 0)
            close(result);
    } else {
        result = SYS(mkdirat(parent, name, mode));
    }
    return result == -EEXIST ? 0 : result < 0 ? result : 0;
}

// Copies the components of `path` up to the one at *at into `prefix`; moves *at behind it.
static int next_prefix(const char *path, size_t *at, char *prefix, size_t size)
{
    size_t end = *at;

    while (path[end] == '/')
        end++;
    if (!path[end])
        return 0;
    while (path[end] && path[end] != '/')
        end++;
    if (end >= size)
        return -ENAMETOOLONG;
    memcpy(prefix, path, end);
    prefix[end] = 0;
    *at = end;
    return 1;
}

static int is_last(const char *path, size_t at)
{
    while (path[at] == '/')
        at++;
    return !path[at];
}

// A component that is a symlink to nothing: `onward` becomes the path with its text in place of it. As a path
// in the root an absolute text needs nothing else.
static int follow_dangling(int above, const char *prefix, const char *rest, char *onward)
{
    char text[PATH_MAX];
    const char *slash = strrchr(prefix, '/'), *name = slash ? slash + 1 : prefix;
    long length = SYS(readlinkat(above, name, text, sizeof text - 1));

    if (length < 0)
        return length == -EINVAL ? -ENOENT : (int)length;
    text[length] = 0;
    int before = *text == '/' ? 0 : (int)(name - prefix);
    int size = snprintf(onward, PATH_MAX, "%.*s%s/%s", before, prefix, text, rest);
    return size < PATH_MAX ? -EAGAIN : -ENAMETOOLONG;
}

// Each missing component is made in its parent's descriptor and then resolved again from the root, so a
// component that turns into a symlink meanwhile is followed inside the root, or not at all.
// -EAGAIN: `onward` is the path to go on with.
static int make_along(const char *path, mode_t mode, int is_file, char *onward)
{
    char prefix[PATH_MAX];
    size_t at = 0;

    int parent = open_in_root(".", O_PATH | O_DIRECTORY);
    for (;;) {
        CLEANUP_FD int above = parent;
        int more = next_prefix(path, &at, prefix, sizeof prefix);
        if (more <= 0)
            return more < 0 ? more : take_fd(&above);
        int last = is_last(path, at), flags = O_PATH | (last ? 0 : O_DIRECTORY);
        parent = open_in_root(prefix, flags);
        if (parent == -ENOENT) {
            const char *slash = strrchr(prefix, '/');
            int result = make_one(above, slash ? slash + 1 : prefix, last ? mode : 0755, last && is_file);
            if (result < 0)
                return result;
            parent = open_in_root(prefix, flags);
        }
        if (parent == -ENOENT)
            return follow_dangling(above, prefix, path + at, onward);
        if (parent < 0)
            return parent;
    }
}

int make_in_root(const char *path, mode_t mode, int is_file)
{
    char here[PATH_MAX], onward[PATH_MAX];

    int found = open_in_root(path, O_PATH);
    if (found != -ENOENT)
        return found;
    if (bounded_copy(here, sizeof here, path) < strlen(path))
        return -ENAMETOOLONG;
    for (int links = 0; links < 40; links++) { // as many as the kernel follows (path_resolution(7))
        int result = make_along(here, mode, is_file, onward);
        if (result != -EAGAIN)
            return result;
        memcpy(here, onward, sizeof here);
    }
    return -ELOOP;
}

int make_in_root_nofollow(const char *path, int is_file)
{
    const char *name;
    CLEANUP_FD int parent = open_parent_in_root(path, &name);

    if (parent < 0)
        return parent;
    int found = SYS(openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (found != -ENOENT)
        return found;
    int result = make_one(parent, name, 0755, is_file);
    return result < 0 ? result : (int)SYS(openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

int open_parent_in_root(const char *path, const char **name)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');

    *name = slash ? slash + 1 : path;
    if (!**name || !strcmp(*name, ".") || !strcmp(*name, ".."))
        return detail(-EINVAL, "the path does not end in a name");
    size_t length = slash ? (size_t)(slash - path) : 0;
    if (length >= sizeof parent)
        return -ENAMETOOLONG;
    memcpy(parent, path, length);
    parent[length] = 0;
    return make_in_root(parent, 0755, 0);
}
