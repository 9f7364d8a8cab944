/* Files, directories, devices and symbolic links come into being, in the place of whatever was there.
 *
 * A name is made with O_EXCL or its equal, so nothing that stands at the name is followed or written through:
 * it is removed first. That also keeps the other name of a hard-linked pair as it was. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "apply.h"

/* One attempt to make parent_fd/base. */
typedef int (*maker)(struct layer *l, int parent_fd, const char *base, const struct tar_entry *e);

static int make(struct layer *l, struct node *parent, const char *base, const struct tar_entry *e,
                maker attempt)
{
    struct node *n;
    int rc = about_to_change(l, parent), fd;

    if (rc)
        return rc;
    for (int tries = 0;; tries++) {
        fd = tree_fd(&l->tree, parent);
        if (fd < 0)
            return fd;
        rc = attempt(l, fd, base, e);
        if (rc != -EEXIST || tries)
            break;
        rc = remove_name(l, parent, base);
        if (rc)
            return rc;
    }
    if (rc)
        return rc;
    n = tree_add(&l->tree, parent, base, strlen(base));
    if (!n)
        return -errno;
    n->flags &= (uint16_t)~NODE_PENDING;
    tree_mark_added(n);
    return 0;
}

static int open_new(struct layer *l, int parent_fd, const char *base, const struct tar_entry *e)
{
    l->file_fd = openat(parent_fd, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        (mode_t)(e->mode & 0777));
    return l->file_fd < 0 ? -errno : 0;
}

int create_file(struct layer *l, struct node *parent, const char *base, const struct tar_entry *e)
{
    l->file = e;
    l->file_set_group = parent->flags & NODE_SETGID;
    return make(l, parent, base, e, open_new);
}

int finish_file(struct layer *l)
{
    const struct tar_entry *e = l->file;
    int fd = l->file_fd, rc = 0;

    if (e->sparse && ftruncate(fd, e->real_size) < 0)
        rc = -errno;
    if (rc == 0)
        rc = set_file_metadata(l, fd, e, l->file_set_group);
    l->file_fd = -1;
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc;
}

static int make_special(struct layer *l, int parent_fd, const char *base, const struct tar_entry *e)
{
    mode_t type = e->type == TAR_CHAR ? S_IFCHR : e->type == TAR_BLOCKDEV ? S_IFBLK : S_IFIFO;
    mode_t mode = (mode_t)(e->mode & 0777);

    if (e->type == TAR_SYMLINK)
        return symlinkat(e->link, parent_fd, base) < 0 ? -errno : 0;
    if (type != S_IFIFO && l->flags & LAYER_ROOTLESS) {
        /* An empty file keeps the place; who may not make devices may not use them either. */
        type = S_IFREG;
        l->totals.unset++;
    }
    if (mknodat(parent_fd, base, type | mode, makedev((unsigned)e->major, (unsigned)e->minor)) < 0)
        return -errno;
    return 0;
}

/* chmod of a thing that may not be opened: through the descriptor's link in /proc. */
static int set_mode_at(int parent_fd, const char *base, mode_t mode)
{
    close_at_end int fd = openat(parent_fd, base, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    char path[40];

    if (fd < 0)
        return -errno;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return chmod(path, mode) < 0 ? -errno : 0;
}

static int check_special(struct layer *l, const struct tar_entry *e)
{
    if (e->type == TAR_SYMLINK)
        return e->link[0] ? 0 : layer_bad(l, "a symbolic link without a target");
    if (e->type == TAR_FIFO)
        return 0;
    if (e->major > 0xfff || e->minor > 0xfffff)
        return layer_bad(l, "no such device number");
    /* On overlay file systems this device means "deleted"; the result must not depend on the driver. */
    if (e->type == TAR_CHAR && e->major == 0 && e->minor == 0)
        return layer_bad(l, "the character device 0:0 stands for a deleted file and cannot be in a layer");
    return 0;
}

int create_special(struct layer *l, struct node *parent, const char *base, const struct tar_entry *e)
{
    struct timespec times[2] = {e->atime, e->mtime};
    int rc = check_special(l, e), fd;

    if (rc == 0)
        rc = make(l, parent, base, e, make_special);
    if (rc == 0)
        rc = set_owner_at(l, parent, base, e);
    if (rc)
        return rc;
    fd = tree_fd(&l->tree, parent);
    if (fd < 0)
        return fd;
    if (e->type != TAR_SYMLINK && (e->mode & 07000 || !(l->flags & LAYER_OWN_UMASK)))
        rc = set_mode_at(fd, base, (mode_t)e->mode);
    if (rc == 0 && e->xattr_count)
        rc = set_xattrs(l, fd, base, e);
    if (rc == 0 && utimensat(fd, base, times, AT_SYMLINK_NOFOLLOW) < 0)
        rc = -errno;
    return rc;
}

static int make_dir(struct layer *l, int parent_fd, const char *base, const struct tar_entry *e)
{
    struct stat st;
    mode_t mode = (mode_t)(e->mode & 01777);

    if (l->flags & LAYER_ROOTLESS)
        mode |= 0700;
    if (mkdirat(parent_fd, base, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    if (fstatat(parent_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 1 : -EEXIST;
}

/* A new directory whose owner and mode came out right by mkdir needs no more calls. */
static bool is_plain(const struct layer *l, const struct node *parent, const struct tar_entry *e)
{
    return l->flags & LAYER_OWN_UMASK && !(l->flags & LAYER_ROOTLESS) && !(parent->flags & NODE_SETGID) &&
           !(e->mode & 06000) && !e->xattr_count && e->uid == (int64_t)l->uid && e->gid == (int64_t)l->gid;
}

static void remember_dir(struct layer *l, struct node *n, const struct tar_entry *e)
{
    n->dir->times[0] = e->atime;
    n->dir->times[1] = e->mtime;
    n->dir->mode = (mode_t)e->mode;
    n->flags &= (uint16_t) ~(NODE_SETGID | NODE_LATE_MODE);
    n->flags |= NODE_LOOKED | NODE_TIMES | (e->mode & S_ISGID ? NODE_SETGID : 0);
    if (l->flags & LAYER_ROOTLESS && (e->mode & 0700) != 0700)
        n->flags |= NODE_LATE_MODE;
    tree_mark_added(n);
}

int create_dir(struct layer *l, struct node *parent, const char *base, const struct tar_entry *e)
{
    struct node *n;
    int rc = about_to_change(l, parent), fd = tree_fd(&l->tree, parent);
    bool fresh;

    if (rc || fd < 0)
        return rc ? rc : fd;
    rc = make_dir(l, fd, base, e);
    if (rc == -EEXIST) {
        rc = remove_name(l, parent, base);
        if (rc)
            return rc;
        fd = tree_fd(&l->tree, parent);
        if (fd < 0)
            return fd;
        rc = make_dir(l, fd, base, e);
    }
    if (rc < 0)
        return rc;
    fresh = rc == 0;
    if (!fresh || !is_plain(l, parent, e)) {
        close_at_end int own = openat(fd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (own < 0)
            return -errno;
        rc = set_dir_metadata(l, own, e);
        if (rc)
            return rc;
    }
    n = tree_add(&l->tree, parent, base, strlen(base));
    if (!n)
        return -errno;
    n->flags &= (uint16_t)~NODE_PENDING;
    if (!n->dir)
        rc = tree_set_dir(&l->tree, n, -1);
    if (rc >= 0)
        remember_dir(l, n, e);
    return rc < 0 ? rc : 0;
}

int create_root(struct layer *l, const struct tar_entry *e)
{
    struct node *root = l->tree.root;
    close_at_end int fd = openat(root->dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    if (e->type != TAR_DIR)
        return layer_bad(l, "the root of the layer is not a directory");
    if (fd < 0)
        return -errno;
    rc = set_dir_metadata(l, fd, e);
    if (rc == 0)
        remember_dir(l, root, e);
    return rc;
}
