/* Hard links. The target may come later in the archive: such links wait until all else is there. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply.h"

enum { LATE_PASSES_MAX = 16 };

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* -ENOENT: the target is not there. Its last component is not followed: a link to a symbolic link is one. */
static int link_now(struct layer *l, struct node *parent, const char *base, const char *target)
{
    const char *from = base_of(target);
    struct node *from_dir;
    struct stat st;
    close_at_end int from_fd = -1;
    int rc = walk_parent(l, target, false, &from_dir), fd;

    if (rc)
        return rc == -ENOTDIR ? -ENOENT : rc;
    fd = tree_fd(&l->tree, from_dir);
    /* A copy, because getting the other descriptor may close this one. */
    from_fd = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (from_fd < 0)
        return fd < 0 ? fd : -errno;
    if (fstatat(from_fd, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return layer_bad(l, "a hard link to a directory");
    if (from_dir == parent && !strcmp(from, base))
        return 0;
    for (int tries = 0;; tries++) {
        fd = tree_fd(&l->tree, parent);
        if (fd < 0)
            return fd;
        if (linkat(from_fd, from, fd, base, 0) == 0)
            return 0;
        if (errno != EEXIST || tries)
            return -errno;
        rc = remove_name(l, parent, base);
        if (rc)
            return rc;
    }
}

static int put_off(struct layer *l, const char *target)
{
    struct late_link *late = calloc(1, sizeof(*late));

    if (!late)
        return -ENOMEM;
    late->path = strdup(l->path);
    late->target = strdup(target);
    late->next = l->late;
    l->late = late;
    return late->path && late->target ? 0 : -ENOMEM;
}

int create_link(struct layer *l, struct node *parent, const char *base, const struct tar_entry *e)
{
    char target[PATH_BYTES_MAX];
    struct node *n;
    int rc = clean_path(e->link, target);

    if (rc)
        return rc;
    if (!*target)
        return layer_bad(l, "a hard link to a directory");
    rc = about_to_change(l, parent);
    if (rc == 0)
        rc = link_now(l, parent, base, target);
    if (rc && rc != -ENOENT)
        return rc;
    n = tree_add(&l->tree, parent, base, strlen(base));
    if (!n)
        return -errno;
    n->flags &= (uint16_t)~NODE_PENDING;
    n->flags |= rc ? NODE_PENDING : 0;
    tree_mark_added(n);
    return rc ? put_off(l, target) : 0;
}

/* 0: done or no longer wanted, because a later entry took the name. */
static int try_late(struct layer *l, const struct late_link *late)
{
    const char *base = base_of(late->path);
    struct node *parent, *n;
    int rc = walk_parent(l, late->path, true, &parent);

    if (rc)
        return rc;
    n = tree_find(&l->tree, parent, base, strlen(base));
    if (!n || !(n->flags & NODE_PENDING))
        return 0;
    rc = about_to_change(l, parent);
    if (rc == 0)
        rc = link_now(l, parent, base, late->target);
    if (rc)
        return rc;
    n = tree_add(&l->tree, parent, base, strlen(base));
    if (!n)
        return -errno;
    n->flags &= (uint16_t)~NODE_PENDING;
    tree_mark_added(n);
    return 0;
}

/* Links to links that wait, too, are why there is more than one pass. */
int finish_links(struct layer *l)
{
    int passes = 0, rc = 0;

    while (l->late && passes++ < LATE_PASSES_MAX) {
        for (struct late_link **at = &l->late; *at;) {
            struct late_link *late = *at;
            rc = try_late(l, late);
            if (rc && rc != -ENOENT)
                break;
            if (rc) {
                at = &late->next;
                continue;
            }
            *at = late->next;
            free(late->path);
            free(late->target);
            free(late);
        }
        if (rc && rc != -ENOENT)
            break;
    }
    if (!l->late)
        return 0;
    layer_name(l, l->late->path);
    return rc == -ENOENT ? layer_bad(l, "a hard link to something that is not there") : rc;
}
