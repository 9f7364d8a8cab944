// The operation `mount`, and what the others of mounts share with it.

#include "mounts.h"
#include "init.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

// musl and glibc declare these in sys/mount.h beside names that linux/mount.h has too.
extern int mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);
enum { MNT_DETACH = 2 };
enum { OPTION_MAX = 255 }; // fsconfig(2) takes strings below 256 bytes

int attach(int tree, int target)
{
    return SYS(
        syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

int set_attr(int tree, struct mount_attr *attr, int flags)
{
    return SYS(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | flags, attr, sizeof *attr));
}

// A file system context keeps its complaints to be read: "e tmpfs: Unknown parameter 'x'" (fsopen(2)).
static int context_error(int context, int error)
{
    char text[256];
    long length = read(context, text, sizeof text - 1);

    if (length > 0) {
        if (text[length - 1] == '\n')
            length--;
        text[length] = 0;
        detail(error, "%s", length > 2 && text[1] == ' ' ? text + 2 : text);
    }
    return error;
}

static int configure_one(int context, char *option)
{
    char *value = strchr(option, '=');

    if (!value)
        return SYS(syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, option, NULL, 0));
    *value++ = 0;
    return SYS(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, option, value, 0));
}

// Copies the first of comma separated options, without quotes: in quotes a comma is one of the value, as in
// SELinux's categories. Returns how many bytes of `data` it is; more than OPTION_MAX do not fit.
static size_t take_option(const char *data, char *option)
{
    size_t at = 0, kept = 0;
    int quoted = 0;

    for (; data[at] && (quoted || data[at] != ','); at++) {
        if (at == OPTION_MAX)
            return OPTION_MAX + 1;
        if (data[at] == '"')
            quoted = !quoted;
        else
            option[kept++] = data[at];
    }
    option[kept] = 0;
    return at;
}

static int configure(int context, const char *data)
{
    char option[OPTION_MAX + 1];

    while (*data) {
        size_t length = take_option(data, option);
        if (length > OPTION_MAX)
            return -E2BIG;
        int result = *option ? configure_one(context, option) : 0;
        if (result < 0)
            return context_error(context, result);
        data += length + (data[length] == ',');
    }
    return 0;
}

int new_filesystem(const char *fstype, const char *source, const char *data, uint64_t attr)
{
    CLEANUP_FD int context = SYS(syscall(SYS_fsopen, fstype, FSOPEN_CLOEXEC));
    int result;

    if (context < 0)
        return context;
    if (*source) {
        result = SYS(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", source, 0));
        if (result < 0)
            return context_error(context, result);
    }
    result = configure(context, data);
    if (result < 0)
        return result;
    result = SYS(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
    if (result < 0)
        return context_error(context, result);
    result = SYS(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attr));
    return result < 0 ? context_error(context, result) : result;
}

// Mounts by mount(2) on directory "in" of AROUND, and takes what is mounted off again as a detached copy.
// /proc is the host's here: the root has not been pivoted yet.
static int mount_inside(int around, const char *fstype, const char *source, const char *data)
{
    char path[40];
    int result = SYS(mkdirat(around, "in", 0700));
    CLEANUP_FD int below = result < 0 ? result : (int)SYS(openat(around, "in", O_PATH | O_CLOEXEC));

    if (below < 0)
        return below;
    snprintf(path, sizeof path, "/proc/self/fd/%d", below);
    result = SYS(mount(source, path, fstype, 0, data));
    if (result < 0)
        return result;
    CLEANUP_FD int top = SYS(openat(around, "in", O_PATH | O_CLOEXEC));
    return top < 0 ? top
                   : (int)SYS(syscall(SYS_open_tree, top, "", OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH));
}

// An option over fsconfig's limit (overlay's lowerdir) takes mount(2), which mounts on names alone. So that
// no name in the rootfs decides where, a tmpfs of our own lies at the target for that time: in it nobody but
// us makes names. The result is detached, as new_filesystem()'s is.
static int new_filesystem_long(const struct op *op, const char *data, uint64_t attr, int target)
{
    struct mount_attr private = {.propagation = MS_PRIVATE};
    struct mount_attr set = {.attr_set = attr, .attr_clr = MOUNT_ATTR__ATIME};
    char path[40];

    CLEANUP_FD int around = new_filesystem("tmpfs", "tmpfs", "size=4k,nr_inodes=4,mode=700", 0);
    int result = around < 0 ? around : attach(around, target);
    if (result < 0)
        return result;
    result = set_attr(around, &private, 0);
    CLEANUP_FD int tree = result < 0 ? result : mount_inside(around, op_str(op, 0), op_str(op, 1), data);
    snprintf(path, sizeof path, "/proc/self/fd/%d", around);
    result = SYS(umount2(path, MNT_DETACH));
    if (tree >= 0 && !result)
        result = set_attr(tree, &set, 0);
    return tree < 0 || !result ? take_fd(&tree) : result;
}

// Through a symlink, /proc or /sys would be mounted where later checks do not look (CVE-2019-19921).
static int open_plain_directory(const char *path)
{
    int target = open_in_root_plain(path, O_PATH | O_DIRECTORY);

    if (target == -ENOENT) {
        target = make_in_root(path, 0755, 0);
        close_fd(&target);
        target = open_in_root_plain(path, O_PATH | O_DIRECTORY);
    }
    if (target == -ELOOP || target == -ENOTDIR || target == -ENOENT)
        return detail(target, "%.900s must be mounted on ordinary directory", path);
    return target;
}

int open_target(const char *path, int flags, int is_file)
{
    if (flags & MOUNT_TARGET_NOFOLLOW)
        return make_in_root_nofollow(path, is_file);
    return flags & MOUNT_PLAIN_DIRECTORY ? open_plain_directory(path) : make_in_root(path, 0755, is_file);
}

int set_propagation(int tree, uint64_t propagation, int recursive)
{
    struct mount_attr attr = {.propagation = propagation & ~(uint64_t)MS_REC};

    if (!propagation)
        return 0;
    return set_attr(tree, &attr, recursive ? AT_RECURSIVE : 0);
}

// The value of tmpfs's option `mode`, or -1.
static long mode_option(const char *data)
{
    const char *at = strncmp(data, "mode=", 5) ? strstr(data, ",mode=") : data;

    return at ? strtol(strchr(at, '=') + 1, NULL, 8) : -1;
}

// A tmpfs without a `mode` would be open to all (01777); over a directory that is there it gets that one's.
// Returns DATA, or BUFFER with the option added.
static const char *inherit_mode(const char *data, const char *path, char *buffer, size_t size)
{
    struct stat info;
    CLEANUP_FD int there = open_in_root(path, O_PATH | O_DIRECTORY);

    if (there < 0 || fstat(there, &info) < 0)
        return data;
    int length = snprintf(buffer, size, "%s%smode=%o", data, *data ? "," : "", info.st_mode & 07777);
    return length < (int)size ? buffer : data;
}

// Copies what the directory below holds, with its owner and mode, where no option says another mode.
static int fill_from(int target, int tree, long mode)
{
    CLEANUP_FD int from = SYS(openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int result = from < 0 ? from : copy_tree(from, tree);

    if (result < 0 || mode < 0)
        return result;
    CLEANUP_FD int top = SYS(openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return top < 0 ? top : (int)SYS(fchmod(top, mode & 07777));
}

int do_mount(const struct op *op)
{
    const char *data = op_str(op, 4);
    uint64_t attr = op_int(op, 3), propagation = op_int(op, 5);
    int flags = op_int(op, 6), late = attr & MOUNT_ATTR_RDONLY && flags & MOUNT_COPY_UP;
    long mode = mode_option(data);
    char with_mode[OPTION_MAX * 2];

    if (mode < 0 && !strcmp(op_str(op, 0), "tmpfs"))
        data = inherit_mode(data, op_str(op, 2), with_mode, sizeof with_mode);
    CLEANUP_FD int target = open_target(op_str(op, 2), flags, 0);
    if (target < 0)
        return target;
    CLEANUP_FD int tree =
        new_filesystem(op_str(op, 0), op_str(op, 1), data, late ? attr & ~MOUNT_ATTR_RDONLY : attr);
    if (tree == -E2BIG)
        tree = new_filesystem_long(op, data, late ? attr & ~MOUNT_ATTR_RDONLY : attr, target);
    int result = tree;
    if (tree < 0)
        return tree;
    if (flags & MOUNT_COPY_UP) {
        result = fill_from(target, tree, mode);
        struct mount_attr set = {.attr_set = MOUNT_ATTR_RDONLY};
        if (!result && late)
            result = set_attr(tree, &set, 0);
        if (result < 0)
            return result;
    }
    result = attach(tree, target);
    return result < 0 ? result : set_propagation(tree, propagation, propagation & MS_REC);
}
