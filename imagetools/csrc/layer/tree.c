#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "tree.h"

/* FNV-1a from a random start, mixed: an archive cannot choose names that all fall into one bucket. */
static uint64_t hash_name(const struct tree *t, const struct node *parent, const char *name, size_t length)
{
    uint64_t h = t->seed ^ (uintptr_t)parent;

    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)name[i]) * 0x100000001b3;
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccd;
    return h ^ h >> 33;
}

static struct node *new_node(struct node *parent, const char *name, size_t length)
{
    struct node *n = calloc(1, sizeof(*n) + length + 1);

    if (!n)
        return NULL;
    memcpy(n->name, name, length);
    n->name_len = (uint16_t)length;
    n->parent = parent;
    n->depth = parent ? parent->depth + 1 : 0;
    return n;
}

int tree_init(struct tree *t, int root_fd)
{
    memset(t, 0, sizeof(*t));
    if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) < 0)
        t->seed = (uintptr_t)t;
    t->bucket_count = 1024;
    t->buckets = calloc(t->bucket_count, sizeof(*t->buckets));
    t->path = calloc(TREE_DEPTH_MAX + 1, sizeof(*t->path));
    t->root = new_node(NULL, "", 0);
    if (!t->buckets || !t->path || !t->root)
        return -ENOMEM;
    t->root->dir = calloc(1, sizeof(*t->root->dir));
    if (!t->root->dir)
        return -ENOMEM;
    t->root->dir->fd = root_fd;
    return 0;
}

static void close_dir(struct node *n)
{
    if (n->parent && n->dir && n->dir->fd >= 0) {
        close(n->dir->fd);
        n->dir->fd = -1;
    }
}

static void unhash(struct tree *t, struct node *node)
{
    struct node **at = &t->buckets[node->hash & (t->bucket_count - 1)];

    while (*at != node)
        at = &(*at)->chain;
    *at = node->chain;
    t->count--;
}

static void free_node(struct tree *t, struct node *n)
{
    close_dir(n);
    if (n->dir)
        for (size_t i = 0; i < TREE_OPEN_MAX; i++)
            if (t->open[i] == n)
                t->open[i] = NULL;
    if (n->parent)
        unhash(t, n);
    free(n->dir);
    free(n);
}

static void detach(struct node *n)
{
    if (n->prev)
        n->prev->next = n->next;
    else if (n->parent)
        n->parent->child = n->next;
    if (n->next)
        n->next->prev = n->prev;
}

void tree_drop(struct tree *t, struct node *top)
{
    struct node *n = top, *up;

    detach(top);
    for (;;) {
        while (n->child)
            n = n->child;
        if (n == top)
            break;
        up = n->parent;
        up->child = n->next;
        if (n->next)
            n->next->prev = NULL;
        free_node(t, n);
        n = up;
    }
    free_node(t, top);
}

void tree_free(struct tree *t)
{
    if (t->root && t->buckets)
        tree_drop(t, t->root);
    free(t->buckets);
    free(t->path);
}

struct node *tree_find(struct tree *t, struct node *parent, const char *name, size_t length)
{
    uint64_t hash = hash_name(t, parent, name, length);
    struct node *n = t->buckets[hash & (t->bucket_count - 1)];

    for (; n; n = n->chain)
        if (n->hash == hash && n->parent == parent && n->name_len == length && !memcmp(n->name, name, length))
            return n;
    return NULL;
}

static void grow(struct tree *t)
{
    size_t count = t->bucket_count * 2;
    struct node **buckets = calloc(count, sizeof(*buckets));

    if (!buckets)
        return; /* slower, not wrong */
    for (size_t i = 0; i < t->bucket_count; i++)
        for (struct node *n = t->buckets[i], *next; n; n = next) {
            next = n->chain;
            n->chain = buckets[n->hash & (count - 1)];
            buckets[n->hash & (count - 1)] = n;
        }
    free(t->buckets);
    t->buckets = buckets;
    t->bucket_count = count;
}

struct node *tree_add(struct tree *t, struct node *parent, const char *name, size_t length)
{
    struct node *n = tree_find(t, parent, name, length);
    struct node **bucket;

    if (n)
        return n;
    if (parent->depth + 1 > TREE_DEPTH_MAX || length > 255) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    n = new_node(parent, name, length);
    if (!n) {
        errno = ENOMEM;
        return NULL;
    }
    if (t->count >= t->bucket_count)
        grow(t);
    n->hash = hash_name(t, parent, name, length);
    bucket = &t->buckets[n->hash & (t->bucket_count - 1)];
    n->chain = *bucket;
    *bucket = n;
    t->count++;
    n->next = parent->child;
    if (n->next)
        n->next->prev = n;
    parent->child = n;
    return n;
}

void tree_mark_added(struct node *node)
{
    for (; node && !(node->flags & NODE_ADDED); node = node->parent)
        node->flags |= NODE_ADDED;
}

/* A clock over the open descriptors; the root is not among them and is never closed. */
static void keep_open(struct tree *t, struct node *node, int fd)
{
    node->dir->fd = fd;
    node->dir->used = true;
    if (fd < 0)
        return;
    for (;; t->hand = (t->hand + 1) % TREE_OPEN_MAX) {
        struct node *old = t->open[t->hand];
        if (!old || old->dir->fd < 0)
            break;
        if (!old->dir->used) {
            close_dir(old);
            break;
        }
        old->dir->used = false;
    }
    t->open[t->hand] = node;
    t->hand = (t->hand + 1) % TREE_OPEN_MAX;
}

int tree_set_dir(struct tree *t, struct node *node, int fd)
{
    if (!node->dir) {
        node->dir = calloc(1, sizeof(*node->dir));
        if (!node->dir) {
            if (fd >= 0)
                close(fd);
            return -ENOMEM;
        }
    }
    keep_open(t, node, fd);
    return 0;
}

int tree_fd(struct tree *t, struct node *node)
{
    size_t depth = 0;
    struct node *n = node;

    for (; n->dir->fd < 0; n = n->parent)
        t->path[depth++] = n;
    n->dir->used = true;
    for (; depth > 0; depth--) {
        struct node *below = t->path[depth - 1];
        int fd = openat(n->dir->fd, below->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        /* n was marked as used a moment ago: with room for 96, the clock does not come round to it. */
        keep_open(t, below, fd);
        n = below;
    }
    return node->dir->fd;
}

struct node *tree_next(const struct node *top, struct node *node)
{
    if (node->child)
        return node->child;
    while (node != top && !node->next)
        node = node->parent;
    return node == top ? NULL : node->next;
}

struct node *tree_first(struct node *top)
{
    while (top->child)
        top = top->child;
    return top;
}

struct node *tree_after(struct node *node)
{
    return node->next ? tree_first(node->next) : node->parent;
}
