/* Taking things away: a name, a tree, or what lower layers had in a directory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply.h"

enum { KEPT_LEVELS = 32 };

/* One directory on the way down. Deeper than KEPT_LEVELS, the stream is closed while we are below it and the
 * directory is read from its start on the way back: what was there is gone by then, so nothing is seen twice.
 */
struct level {
    DIR *stream;
    char name[256];
};

struct descent {
    int base_fd;
    struct level *levels;
    size_t depth, capacity;
};

static bool is_dot(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static DIR *open_stream(int at_fd, const char *name)
{
    int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);

    if (!stream && fd >= 0)
        close(fd);
    return stream;
}

/* Before a level is added: the first KEPT_LEVELS stay open, and as many of the last. */
static void close_far_above(struct descent *d)
{
    struct level *far;

    if (d->depth < 2 * KEPT_LEVELS)
        return;
    far = &d->levels[d->depth - KEPT_LEVELS];
    if (far->stream)
        closedir(far->stream);
    far->stream = NULL;
}

static int push(struct descent *d, int at_fd, const char *name)
{
    struct level *top;

    if (d->depth == TREE_DEPTH_MAX * 2)
        return -ENAMETOOLONG;
    if (d->depth == d->capacity) {
        size_t capacity = d->capacity ? d->capacity * 2 : 16;
        struct level *grown = reallocarray(d->levels, capacity, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        d->levels = grown;
        d->capacity = capacity;
    }
    top = &d->levels[d->depth];
    top->stream = open_stream(at_fd, name);
    if (!top->stream)
        return -errno;
    strncpy(top->name, name, sizeof(top->name) - 1);
    top->name[sizeof(top->name) - 1] = '\0';
    close_far_above(d);
    d->depth++;
    return 0;
}

/* The stream of the innermost level, opened again by names from the nearest one that is open. Those just
 * above it stay open as well: the next ones to be needed. */
static int reopen(struct descent *d)
{
    size_t at = d->depth - 1;
    int fd, passed = -1;

    while (!d->levels[at].stream)
        at--;
    fd = dirfd(d->levels[at].stream);
    while (++at < d->depth) {
        int next = openat(fd, d->levels[at].name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        close_fd(&passed);
        passed = -1;
        if (next < 0)
            return -errno;
        fd = next;
        if (at + KEPT_LEVELS < d->depth) {
            passed = next;
        } else if (!(d->levels[at].stream = fdopendir(next))) {
            close(next);
            return -ENOMEM;
        }
    }
    return 0;
}

/* The innermost directory is empty: leave it and remove it. */
static int pop(struct descent *d)
{
    struct level *top = &d->levels[--d->depth];
    int rc, fd;

    closedir(top->stream);
    if (d->depth == 0)
        return unlinkat(d->base_fd, top->name, AT_REMOVEDIR) < 0 ? -errno : 0;
    rc = reopen(d);
    if (rc)
        return rc;
    fd = dirfd(d->levels[d->depth - 1].stream);
    return unlinkat(fd, top->name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int remove_or_descend(struct descent *d, int at_fd, const char *name)
{
    if (unlinkat(at_fd, name, 0) == 0)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    if (unlinkat(at_fd, name, AT_REMOVEDIR) == 0)
        return 0;
    if (errno == ENOTDIR)
        return -EPERM; /* a file that may not be removed */
    if (errno != ENOTEMPTY && errno != EEXIST)
        return -errno;
    return push(d, at_fd, name);
}

int remove_tree(int dir_fd, const char *name)
{
    struct descent d = {.base_fd = dir_fd};
    int rc = remove_or_descend(&d, dir_fd, name);

    while (rc == 0 && d.depth > 0) {
        DIR *stream = d.levels[d.depth - 1].stream;
        struct dirent *entry;

        errno = 0;
        entry = readdir(stream);
        if (!entry)
            rc = errno ? -errno : pop(&d);
        else if (!is_dot(entry->d_name))
            rc = remove_or_descend(&d, dirfd(stream), entry->d_name);
    }
    while (d.depth > 0)
        if (d.levels[--d.depth].stream)
            closedir(d.levels[d.depth].stream);
    free(d.levels);
    return rc;
}

int layer_remove(int dir_fd, const char *name)
{
    int rc = remove_tree(dir_fd, name);
    return rc == -ENOENT ? 0 : rc;
}

/* Removes what is at parent/name and forgets what was known about it. A missing name is -ENOENT. */
int remove_name(struct layer *l, struct node *parent, const char *name)
{
    struct node *n = tree_find(&l->tree, parent, name, strlen(name));
    int rc = about_to_change(l, parent), fd;

    if (rc)
        return rc;
    /* Even a file or a link can have been on the way to the last directory. */
    l->last_node = NULL;
    if (n)
        tree_drop(&l->tree, n);
    fd = tree_fd(&l->tree, parent);
    return fd < 0 ? fd : remove_tree(fd, name);
}

/* Removes what this layer has not added in one directory. */
static int remove_lower_here(struct layer *l, struct node *dir)
{
    int fd = tree_fd(&l->tree, dir), rc = about_to_change(l, dir);
    DIR *stream;
    struct dirent *entry;

    if (fd < 0 || rc)
        return fd < 0 ? fd : rc;
    stream = open_stream(fd, ".");
    if (!stream)
        return -errno;
    while (rc == 0 && (errno = 0, entry = readdir(stream))) {
        struct node *n = tree_find(&l->tree, dir, entry->d_name, strlen(entry->d_name));
        if (!is_dot(entry->d_name) && !(n && n->flags & NODE_ADDED))
            rc = remove_name(l, dir, entry->d_name);
    }
    if (rc == 0 && errno)
        rc = -errno;
    closedir(stream);
    return rc;
}

/* The same for the whole tree below: what the layer has added stays, with the directories that lead to it. */
int remove_lower(struct layer *l, struct node *dir)
{
    int rc = 0;

    /* Once is enough: an archive that says it a million times costs no more. */
    for (struct node *n = dir; n; n = n->parent)
        if (n->flags & NODE_CLEARED)
            return 0;
    for (struct node *n = dir; n && rc == 0; n = tree_next(dir, n))
        if (n->dir && (n == dir || n->flags & NODE_ADDED))
            rc = remove_lower_here(l, n);
    dir->flags |= NODE_CLEARED;
    return rc;
}

int layer_sync(int fd)
{
    return syncfs(fd) < 0 ? -errno : 0;
}
