/* Whiteouts: image-spec 1.1, layer.md, "Whiteouts" and "Opaque Whiteout".
 *
 * They speak of lower layers only, wherever in the archive they stand: what this layer adds is spared. */
#include <errno.h>
#include <string.h>

#include "apply.h"

static int opaque(struct layer *l, const char *dir)
{
    struct node *node;
    int rc = walk(l, dir, false, &node);

    if (rc == -ENOENT || rc == -ENOTDIR)
        return 0; /* nothing below to hide */
    return rc ? rc : remove_lower(l, node);
}

static int whiteout(struct layer *l, const char *dir, const char *name)
{
    struct node *parent, *n;
    int rc = walk(l, dir, false, &parent);

    if (rc == -ENOENT || rc == -ENOTDIR)
        return 0;
    if (rc)
        return rc;
    n = tree_find(&l->tree, parent, name, strlen(name));
    if (n && n->flags & NODE_ADDED)
        return n->dir ? remove_lower(l, n) : 0;
    rc = remove_name(l, parent, name);
    return rc == -ENOENT ? 0 : rc;
}

int apply_whiteout(struct layer *l, const char *dir, const char *base)
{
    int rc;

    for (const char *part = dir; *part; part += strspn(part, "/")) {
        if (!strncmp(part, ".wh..wh.", 8))
            return 1; /* AUFS kept its own things in .wh..wh.plnk and the like: no part of the image */
        if (!strncmp(part, ".wh.", 4))
            return layer_bad(l, "a whiteout name is used as a directory");
        part += strcspn(part, "/");
    }
    if (strncmp(base, ".wh.", 4) != 0)
        return 0;
    base += 4;
    if (!strcmp(base, ".wh..opq"))
        rc = opaque(l, dir);
    else if (!strncmp(base, ".wh.", 4))
        return 1;
    else if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
        return layer_bad(l, "a whiteout names no file");
    else
        rc = whiteout(l, dir, base);
    return rc ? rc : 1;
}
