/* Owners, modes, extended attributes, times: in this order, because chown takes setuid bits and capabilities
 * away, and because everything else moves the times. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "apply.h"

static bool is_ours(const struct layer *l, const struct tar_entry *e)
{
    return e->uid == (int64_t)l->uid && e->gid == (int64_t)l->gid;
}

/* Whether a failed call is one that an unprivileged user has to live with. EINVAL: an id that is not mapped.
 */
static int let_go(struct layer *l, int error)
{
    if (!(l->flags & LAYER_ROOTLESS) || (error != EPERM && error != EINVAL))
        return -error;
    l->totals.unset++;
    return 0;
}

int set_owner_at(struct layer *l, struct node *parent, const char *base, const struct tar_entry *e)
{
    int fd;

    if (is_ours(l, e) && !(parent->flags & NODE_SETGID))
        return 0;
    fd = tree_fd(&l->tree, parent);
    if (fd < 0)
        return fd;
    if (fchownat(fd, base, (uid_t)e->uid, (gid_t)e->gid, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    return let_go(l, errno);
}

static bool has_prefix(const char *name, const char *prefix)
{
    return !strncmp(name, prefix, strlen(prefix));
}

/* Attributes that belong to the host and not to the image. */
static bool is_hosts(const struct layer *l, const char *name)
{
    return !strcmp(name, "security.selinux") || !strcmp(name, "system.nfs4_acl") ||
           (l->flags & (LAYER_ESCAPE_OVERLAY | LAYER_DROP_OVERLAY) && has_prefix(name, "trusted.overlay."));
}

/* On a plain directory an attribute named trusted.overlay.* means nothing. In one that will be a layer of an
 * overlay it would redirect or hide files, so it is written as the kernel itself escapes it (6.7 and later).
 */
static const char *name_on_disk(const struct layer *l, const char *name, char *escaped, size_t size)
{
    if (!strcmp(name, "security.selinux"))
        return NULL;
    if (!has_prefix(name, "trusted.overlay.") || !(l->flags & (LAYER_ESCAPE_OVERLAY | LAYER_DROP_OVERLAY)))
        return name;
    if (l->flags & LAYER_DROP_OVERLAY)
        return NULL;
    snprintf(escaped, size, "trusted.overlay.overlay.%s", name + strlen("trusted.overlay."));
    return escaped;
}

/* base NULL: on fd itself. Else on fd/base, which may be something that cannot be opened. */
int set_xattrs(struct layer *l, int fd, const char *base, const struct tar_entry *e)
{
    char path[320], escaped[300];

    if (base)
        snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", fd, base);
    for (size_t i = 0; i < e->xattr_count; i++) {
        const struct tar_xattr *x = &e->xattrs[i];
        const char *name = name_on_disk(l, x->name, escaped, sizeof(escaped));
        int rc;

        if (!name) {
            l->totals.unset++;
            continue;
        }
        rc = base ? lsetxattr(path, name, x->value, x->value_len, 0)
                  : fsetxattr(fd, name, x->value, x->value_len, 0);
        /* user.* exists on files and directories only; some file systems have no attributes at all. */
        if (rc < 0 &&
            (errno == EOPNOTSUPP || (errno == EPERM && (base || has_prefix(name, "trusted.overlay.")))))
            l->totals.unset++;
        else if (rc < 0 && (rc = let_go(l, errno)) < 0)
            return rc;
    }
    return 0;
}

static bool is_listed(const struct tar_entry *e, const char *name)
{
    for (size_t i = 0; i < e->xattr_count; i++)
        if (!strcmp(e->xattrs[i].name, name))
            return true;
    return false;
}

/* A directory that is listed again has the attributes of the new listing, not those of a lower layer. */
int clear_xattrs(struct layer *l, int fd, const struct tar_entry *e)
{
    ssize_t length = flistxattr(fd, NULL, 0);
    char *names;

    if (length <= 0)
        return length < 0 && errno != EOPNOTSUPP ? -errno : 0;
    names = malloc((size_t)length);
    if (!names)
        return -ENOMEM;
    length = flistxattr(fd, names, (size_t)length);
    for (char *name = names; name < names + length; name += strlen(name) + 1)
        if (!is_hosts(l, name) && !is_listed(e, name) && fremovexattr(fd, name) < 0)
            l->totals.unset++;
    free(names);
    return 0;
}

int set_dir_metadata(struct layer *l, int fd, const struct tar_entry *e)
{
    mode_t mode = (mode_t)e->mode;
    int rc;

    if (fchown(fd, (uid_t)e->uid, (gid_t)e->gid) < 0 && (rc = let_go(l, errno)) < 0)
        return rc;
    if (l->flags & LAYER_ROOTLESS)
        mode |= 0700; /* until everything inside is there */
    if (fchmod(fd, mode) < 0)
        return -errno;
    rc = clear_xattrs(l, fd, e);
    return rc ? rc : set_xattrs(l, fd, NULL, e);
}

/* set_group: the directory handed its own group to the file. */
int set_file_metadata(struct layer *l, int fd, const struct tar_entry *e, bool set_group)
{
    struct timespec times[2] = {e->atime, e->mtime};
    int rc = 0;

    if ((!is_ours(l, e) || set_group) && fchown(fd, (uid_t)e->uid, (gid_t)e->gid) < 0)
        rc = let_go(l, errno);
    if (rc == 0 && (e->mode & 07000 || !(l->flags & LAYER_OWN_UMASK)) && fchmod(fd, (mode_t)e->mode) < 0)
        rc = -errno;
    if (rc == 0 && e->xattr_count)
        rc = set_xattrs(l, fd, NULL, e);
    if (rc == 0 && futimens(fd, times) < 0)
        rc = -errno;
    return rc;
}

static int finish_dir(struct layer *l, struct node *n)
{
    int fd = tree_fd(&l->tree, n->parent ? n->parent : n);
    const char *name = n->parent ? n->name : ".";

    if (fd < 0)
        return fd;
    if (utimensat(fd, name, n->dir->times, AT_SYMLINK_NOFOLLOW) < 0) {
        int rc = let_go(l, errno);
        if (rc)
            return rc;
    }
    if (n->flags & NODE_LATE_MODE) {
        close_at_end int own = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (own < 0 || fchmod(own, n->dir->mode) < 0)
            return -errno;
    }
    return 0;
}

/* Times of directories come last of all: every entry made in one moves them. */
int finish_dirs(struct layer *l)
{
    for (struct node *n = tree_first(l->tree.root); n; n = tree_after(n)) {
        int rc = n->dir && n->flags & NODE_TIMES ? finish_dir(l, n) : 0;
        if (rc) {
            layer_name(l, n->name);
            return rc;
        }
    }
    return 0;
}
