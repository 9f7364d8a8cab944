// The root file system: bound, pivoted to, and given its last attributes.

#include "init.h"
#include "mounts.h"
#include <string.h>
#include <sys/syscall.h>

extern int mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);
enum { DETACH = 2 };

static int root_is_shared;

int do_root_propagation(const struct op *op)
{
    root_is_shared = (op_int(op, 0) & MS_SHARED) != 0;
    return SYS(mount(NULL, "/", NULL, op_int(op, 0), NULL));
}

// pivot_root(2) wants the parent mount of the new root not shared. Where everything was made slave or
// private it is not; else the mount that holds `path` is found by trying each directory above it.
static int make_parent_private(const char *path)
{
    char above[PATH_MAX];
    size_t length = bounded_copy(above, sizeof above, path);

    while (length) {
        int result = SYS(mount(NULL, above, NULL, MS_PRIVATE, NULL));
        if (result != -EINVAL)
            return result;
        while (length && above[length - 1] != '/')
            length--;
        if (length > 1)
            length--;
        above[length] = 0;
        if (length == 1)
            return SYS(mount(NULL, "/", NULL, MS_PRIVATE, NULL));
    }
    return 0;
}

int do_rootfs(const struct op *op)
{
    const char *path = op_str(op, 0);

    int result = root_is_shared ? make_parent_private(path) : 0;
    if (result < 0)
        return result;
    CLEANUP_FD int tree = SYS(syscall(SYS_open_tree, AT_FDCWD, path,
                                      OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW));
    if (tree < 0)
        return tree;
    result = SYS(faccessat(tree, ".", X_OK, 0)); // else the first target in it is to blame
    if (result < 0)
        return result;
    CLEANUP_FD int target = SYS(open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (target < 0)
        return target;
    result = attach(tree, target);
    if (result < 0)
        return result;
    self.rootfd = take_fd(&tree);
    return 0;
}

// Without a mount namespace of its own the container has the host's mounts: none is added to them.
int do_open_rootfs(const struct op *op)
{
    self.rootfd = SYS(open(op_str(op, 0), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    return self.rootfd < 0 ? self.rootfd : 0;
}

// pivot_root(".", ".") stacks the old root on the new one; it is then made slave, so that its unmounting
// does not reach the host, and detached (pivot_root(2), NOTES). A path of "." names the mount that is the
// working directory, not what lies on it: hence the descriptor of the old root.
static int pivot(void)
{
    CLEANUP_FD int old = SYS(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    int result = old < 0 ? old : (int)SYS(syscall(SYS_pivot_root, ".", "."));

    if (!result)
        result = SYS(fchdir(old));
    if (!result)
        result = SYS(mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL));
    if (!result)
        result = SYS(umount2(".", DETACH));
    return result;
}

static int move_over_root(void)
{
    int result = SYS(mount(".", "/", NULL, MS_MOVE, NULL));

    return result < 0 ? result : (int)SYS(chroot("."));
}

int do_pivot_root(const struct op *op)
{
    int how = op_int(op, 0), result = SYS(fchdir(self.rootfd));

    if (result < 0)
        return result;
    if (how == PIVOT_BY_PIVOT)
        result = pivot();
    else
        result = how == PIVOT_BY_MOVE ? move_over_root() : SYS(chroot("."));
    return result < 0 ? result : (int)SYS(chdir("/"));
}

int do_root_attr(const struct op *op)
{
    struct mount_attr attr = {.attr_set = op_int(op, 0)};
    int result = 0;

    if (attr.attr_set)
        result = set_attr(self.rootfd, &attr, 0);
    if (!result && op_int(op, 1))
        result = SYS(mount(NULL, "/", NULL, op_int(op, 1), NULL));
    return result;
}
