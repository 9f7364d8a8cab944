/* Names of the archive → nodes of the tree.
 *
 * Symbolic links in the middle of a path are followed inside the root, component by component, by this file
 * and never by the kernel: ".." stops at the root, absolute targets begin there. Each directory is opened
 * from its parent with O_NOFOLLOW, so a tree that is changed under us gives an error, not an escape. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apply.h"

/* Lexically, as image tools agree: "/a/./b/../c" is "a/c", and ".." at the top is dropped.
 * out: PATH_BYTES_MAX bytes; "" is the root itself. */
int clean_path(const char *name, char *out)
{
    size_t length = 0;

    while (*name) {
        size_t part = strcspn(name, "/");

        if (part == 2 && name[0] == '.' && name[1] == '.') {
            while (length > 0 && out[--length] != '/')
                ;
        } else if (part > 0 && !(part == 1 && name[0] == '.')) {
            if (part > 255 || length + part + 2 > PATH_BYTES_MAX)
                return -ENAMETOOLONG;
            if (length)
                out[length++] = '/';
            memcpy(out + length, name, part);
            length += part;
        }
        name += part;
        name += *name == '/';
    }
    out[length] = '\0';
    return 0;
}

int about_to_change(struct layer *l, struct node *dir)
{
    struct stat st;
    int fd;

    if (dir->flags & NODE_LOOKED)
        return 0;
    fd = tree_fd(&l->tree, dir);
    if (fd < 0)
        return fd;
    if (fstatat(fd, "", &st, AT_EMPTY_PATH) < 0)
        return -errno;
    dir->flags |= NODE_LOOKED | NODE_TIMES | (st.st_mode & S_ISGID ? NODE_SETGID : 0);
    dir->dir->times[0] = st.st_atim;
    dir->dir->times[1] = st.st_mtim;
    return 0;
}

/* A directory that the archive implies but does not list. It gets the time 0: "now" would differ each time.
 */
static int make_implied(struct layer *l, struct node *parent, const char *name, size_t length,
                        struct node **out)
{
    int rc = about_to_change(l, parent), fd;
    struct node *n;

    if (rc)
        return rc;
    fd = tree_fd(&l->tree, parent);
    if (fd < 0)
        return fd;
    if (mkdirat(fd, name, 0755) < 0)
        return -errno;
    if (!(l->flags & LAYER_OWN_UMASK) && fchmodat(fd, name, 0755, 0) < 0)
        return -errno;
    rc = open_child_dir(l, parent, name, length, out);
    if (rc)
        return rc;
    n = *out;
    n->flags |= NODE_LOOKED | NODE_TIMES | (parent->flags & NODE_SETGID);
    memset(n->dir->times, 0, sizeof(n->dir->times));
    return 0;
}

/* name: NUL-terminated. -ENOTDIR or -ELOOP when it is something else, -ENOENT when it is missing. */
int open_child_dir(struct layer *l, struct node *parent, const char *name, size_t length, struct node **out)
{
    int fd = tree_fd(&l->tree, parent);
    struct node *n;

    if (fd < 0)
        return fd;
    fd = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    n = tree_add(&l->tree, parent, name, length);
    if (!n) {
        int error = -errno;
        close(fd);
        return error;
    }
    *out = n;
    return tree_set_dir(&l->tree, n, fd);
}

/* Puts the target of a symbolic link in front of what is left of the path. */
static int expand(struct layer *l, int fd, const char *name, const char **rest, int *which)
{
    char *out = l->walk[!*which];
    ssize_t length = readlinkat(fd, name, out, PATH_BYTES_MAX);
    size_t tail = strlen(*rest);

    if (length < 0)
        return -errno;
    if (length == 0 || length == PATH_BYTES_MAX || (size_t)length + tail + 2 > WALK_BYTES_MAX)
        return -ENAMETOOLONG;
    out[length] = '/';
    memcpy(out + length + 1, *rest, tail + 1);
    *rest = out;
    *which = !*which;
    return 0;
}

/* One component that is no directory we know: a symbolic link, a file in the way, or nothing. */
static int step_into(struct layer *l, struct node **at, const char *name, size_t length, bool create,
                     const char **rest, int *which)
{
    struct node *parent = *at;
    int rc = open_child_dir(l, parent, name, length, at), fd;

    if (rc == -ENOENT && create)
        return make_implied(l, parent, name, length, at);
    if (rc != -ENOTDIR && rc != -ELOOP)
        return rc;
    fd = tree_fd(&l->tree, parent);
    if (fd < 0)
        return fd;
    rc = expand(l, fd, name, rest, which);
    if (rc == 0) {
        if ((*rest)[0] == '/')
            *at = l->tree.root;
        return 1;
    }
    if (rc != -EINVAL)
        return rc;
    if (!create)
        return -ENOTDIR;
    /* Below a file of a lower layer: the entry says that there is a directory now. */
    rc = remove_name(l, parent, name);
    return rc ? rc : make_implied(l, parent, name, length, at);
}

int walk(struct layer *l, const char *path, bool create, struct node **out)
{
    struct node *at = l->tree.root;
    const char *rest = l->walk[0];
    int which = 0, links = 0;

    if (strlen(path) >= WALK_BYTES_MAX)
        return -ENAMETOOLONG;
    strcpy(l->walk[0], path);
    while (*rest) {
        size_t length = strcspn(rest, "/");
        char name[256];
        struct node *known;
        int rc;

        if (length > 255)
            return -ENAMETOOLONG;
        memcpy(name, rest, length);
        name[length] = '\0';
        rest += length + (rest[length] == '/');
        if (length == 0 || !strcmp(name, "."))
            continue;
        if (!strcmp(name, "..")) {
            at = at->parent ? at->parent : at;
            continue;
        }
        known = tree_find(&l->tree, at, name, length);
        if (known && known->dir) {
            at = known;
            continue;
        }
        rc = step_into(l, &at, name, length, create, &rest, &which);
        if (rc < 0)
            return rc;
        if (rc == 1 && ++links > WALK_LINKS_MAX)
            return -ELOOP;
    }
    *out = at;
    return 0;
}

/* The directory that `path` (cleaned, not "") is in. */
int walk_parent(struct layer *l, const char *path, bool create, struct node **out)
{
    const char *slash = strrchr(path, '/');
    char dir[PATH_BYTES_MAX];
    size_t length = slash ? (size_t)(slash - path) : 0;
    int rc;

    if (l->last_node && strncmp(l->last_dir, path, length) == 0 && l->last_dir[length] == '\0') {
        *out = l->last_node;
        return 0;
    }
    memcpy(dir, path, length);
    dir[length] = '\0';
    rc = walk(l, dir, create, out);
    if (rc)
        return rc;
    /* Removal forgets this: see remove_name. */
    strcpy(l->last_dir, dir);
    l->last_node = *out;
    return 0;
}
