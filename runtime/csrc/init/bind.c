// The operations `bind`, `bind_tree` and `remount`.

#include "init.h"
#include "mounts.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

extern int umount2(const char *, int); // musl and glibc declare it beside names that linux/mount.h has too
enum { MNT_DETACH = 2 };

// What bind and bind_tree have in common, from the third argument on: attributes of the top and of the tree
// as pairs (set, clear), propagation, flags.
static int set_attributes(const struct op *op, int tree)
{
    struct mount_attr top = {.attr_set = op_int(op, 2), .attr_clr = op_int(op, 3)};
    struct mount_attr all = {.attr_set = op_int(op, 4), .attr_clr = op_int(op, 5)};
    int result = 0;

    if (top.attr_set || top.attr_clr)
        result = set_attr(tree, &top, 0);
    if (!result && (all.attr_set || all.attr_clr))
        result = set_attr(tree, &all, AT_RECURSIVE);
    return result == -EPERM ? detail(result, "an attribute is locked by the user namespace above") : result;
}

static int bind_on(const struct op *op, int tree)
{
    uint64_t propagation = op_int(op, 6);
    struct stat info;

    if (fstat(tree, &info) < 0)
        return -errno;
    CLEANUP_FD int target = open_target(op_str(op, 1), op_int(op, 7), !S_ISDIR(info.st_mode));
    if (target < 0)
        return target;
    int result = set_attributes(op, tree);
    if (result < 0)
        return result;
    result = attach(tree, target);
    return result < 0 ? result : set_propagation(tree, propagation, propagation & MS_REC);
}

// A symlink with the text of the one at `source`. 1: that is none, so the source is to be bound.
static int copy_symlink(const char *source, const char *target)
{
    char text[PATH_MAX], there[PATH_MAX];
    const char *name;
    long length = SYS(readlinkat(AT_FDCWD, source, text, sizeof text - 1));

    if (length < 0)
        return length == -EINVAL ? 1 : (int)length;
    text[length] = 0;
    CLEANUP_FD int parent = open_parent_in_root(target, &name);
    if (parent < 0)
        return parent;
    int result = SYS(symlinkat(text, parent, name));
    if (result != -EEXIST)
        return result;
    if (SYS(readlinkat(parent, name, there, sizeof there)) == length && !memcmp(text, there, length))
        return 0;
    return detail(result, "%.900s is there already, and is not this symlink", target);
}

int do_bind(const struct op *op)
{
    int flags = op_int(op, 7);
    unsigned how = OPEN_TREE_CLONE | O_CLOEXEC;

    if (flags & MOUNT_COPY_SYMLINK) {
        int result = copy_symlink(op_str(op, 0), op_str(op, 1));
        if (result <= 0)
            return result;
    }
    if (flags & MOUNT_RECURSIVE)
        how |= AT_RECURSIVE;
    if (flags & MOUNT_SOURCE_NOFOLLOW)
        how |= AT_SYMLINK_NOFOLLOW;
    CLEANUP_FD int tree = SYS(syscall(SYS_open_tree, AT_FDCWD, op_str(op, 0), how));
    if (tree < 0)
        return detail(tree, "the source %.900s", op_str(op, 0));
    return bind_on(op, tree);
}

// The tree was made in the host's mount namespace, which a detached mount does not belong to.
int do_bind_tree(const struct op *op)
{
    uint64_t index = op_int(op, 0);

    if (index >= self.tree_count)
        return -EBADF;
    int result = bind_on(op, self.trees[index]);
    close(self.trees[index]);
    return result;
}

int do_remount(const struct op *op)
{
    struct mount_attr attr = {.attr_set = op_int(op, 1), .attr_clr = op_int(op, 2)};
    CLEANUP_FD int target = open_in_root(op_str(op, 0), O_PATH);

    return target < 0 ? target : set_attr(target, &attr, 0);
}

// The mount is named by a descriptor in the host's procfs, since a container's own /proc may be anything.
int do_unmount(const struct op *op)
{
    char path[40];
    CLEANUP_FD int target = open_in_root(op_str(op, 0), O_PATH | O_NOFOLLOW);
    if (target < 0)
        return target;
    int result = SYS(fchdir(self.proc));
    if (result < 0)
        return result;
    snprintf(path, sizeof path, "self/fd/%d", target);
    return SYS(umount2(path, MNT_DETACH));
}
