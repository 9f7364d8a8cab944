// Directories, devices and links in the rootfs, and what is hidden or made read-only there.

#include "init.h"
#include "mounts.h"
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

int do_mkdir(const struct op *op)
{
    CLEANUP_FD int fd = make_in_root(op_str(op, 0), op_int(op, 1), 0);
    return fd < 0 ? fd : 0;
}

static int same_node(int parent, const char *name, mode_t mode, dev_t dev)
{
    struct stat info;

    if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if ((info.st_mode & S_IFMT) != (mode & S_IFMT) || (!S_ISFIFO(mode) && info.st_rdev != dev))
        return detail(-EEXIST, "another kind of file is there already");
    return 0;
}

// mknod(2) of a device takes CAP_MKNOD in the first user namespace. Where we run in another one ourselves,
// the host's own node at the same place serves if it is the device that is wanted.
static int bind_host_node(const char *path, int parent, const char *name, mode_t mode, dev_t dev)
{
    struct stat info;
    CLEANUP_FD int node = SYS(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));

    if (node < 0 || fstat(node, &info) < 0 || (info.st_mode & S_IFMT) != (mode & S_IFMT) ||
        info.st_rdev != dev)
        return detail(-EPERM, "mknod(2) is not permitted, and the host has no such device there to bind");
    CLEANUP_FD int made =
        SYS(openat(parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0644));
    CLEANUP_FD int target = SYS(openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (target < 0)
        return target;
    CLEANUP_FD int tree = SYS(syscall(SYS_open_tree, node, "", OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH));
    return tree < 0 ? tree : attach(tree, target);
}

int do_mknod(const struct op *op)
{
    mode_t mode = op_int(op, 1);
    dev_t dev = makedev(op_int(op, 2), op_int(op, 3));
    const char *name;
    CLEANUP_FD int parent = open_parent_in_root(op_str(op, 0), &name);

    if (parent < 0)
        return parent;
    int result = SYS(mknodat(parent, name, mode, dev));
    if (result == -EEXIST)
        return same_node(parent, name, mode, dev);
    if (result == -EPERM && !S_ISFIFO(mode))
        return bind_host_node(op_str(op, 0), parent, name, mode, dev);
    if (result < 0 || (!op_int(op, 4) && !op_int(op, 5)))
        return result;
    return SYS(fchownat(parent, name, op_int(op, 4), op_int(op, 5), AT_SYMLINK_NOFOLLOW));
}

int do_symlink(const struct op *op)
{
    const char *name;
    CLEANUP_FD int parent = open_parent_in_root(op_str(op, 1), &name);

    if (parent < 0)
        return parent;
    int result = SYS(symlinkat(op_str(op, 0), parent, name));
    return result == -EEXIST ? 0 : result;
}

// The null device that hides files is the host's own, checked to be it: a rootfs may have anything by that
// name (CVE-2025-31133).
static int null_device(void)
{
    struct stat info;
    CLEANUP_FD int fd = SYS(open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC));

    if (fd < 0)
        return fd;
    if (fstat(fd, &info) < 0 || !S_ISCHR(info.st_mode) || info.st_rdev != makedev(1, 3))
        return detail(-ENODEV, "/dev/null of this host is not the null device");
    return take_fd(&fd);
}

static int mask_file(int target)
{
    CLEANUP_FD int null = null_device();
    if (null < 0)
        return null;
    CLEANUP_FD int tree = SYS(syscall(SYS_open_tree, null, "", OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH));
    if (tree < 0)
        return tree;
    return attach(tree, target);
}

static int mask_directory(int target)
{
    CLEANUP_FD int tree = new_filesystem("tmpfs", "tmpfs", "size=0k,nr_inodes=2,mode=755",
                                         MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    return tree < 0 ? tree : attach(tree, target);
}

int do_mask(const struct op *op)
{
    struct stat info;
    CLEANUP_FD int target = open_in_root(op_str(op, 0), O_PATH);

    if (target == -ENOENT || target == -ENOTDIR)
        return 0;
    if (target < 0)
        return target;
    if (fstat(target, &info) < 0)
        return -errno;
    return S_ISDIR(info.st_mode) ? mask_directory(target) : mask_file(target);
}

int do_readonly(const struct op *op)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    CLEANUP_FD int target = open_in_root(op_str(op, 0), O_PATH);

    if (target == -ENOENT || target == -ENOTDIR)
        return 0;
    if (target < 0)
        return target;
    CLEANUP_FD int tree =
        SYS(syscall(SYS_open_tree, target, "", OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE));
    if (tree < 0)
        return tree;
    int result = set_attr(tree, &attr, AT_RECURSIVE);
    return result < 0 ? result : attach(tree, target);
}
