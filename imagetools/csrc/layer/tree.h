/* What one layer has done to the tree so far, by resolved path.
 *
 * A node stands for a name that this layer has added, or for a directory it went through. NODE_ADDED is set
 * on what the layer added and on all its ancestors: whiteouts spare those, because they speak of lower layers
 * only (image-spec, layer.md, "Whiteouts"). Directories keep an O_PATH descriptor while there is room, opened
 * component by component with O_NOFOLLOW: no path of the archive is ever resolved by the kernel. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum {
    TREE_OPEN_MAX = 96,    /* descriptors kept; the soft limit is 1024 almost everywhere */
    TREE_DEPTH_MAX = 2048, /* what PATH_MAX allows; keeps removal and re-opening bounded */
};

enum {
    NODE_ADDED = 1,
    NODE_PENDING = 2,    /* a hard link that waits for its target */
    NODE_TIMES = 4,      /* a directory whose times are set when the layer is complete */
    NODE_SETGID = 8,     /* a directory that hands its group on */
    NODE_LOOKED = 16,    /* a directory whose times and mode have been read */
    NODE_CLEARED = 64,   /* a directory without anything of lower layers in it, at any depth */
    NODE_LATE_MODE = 32, /* a directory that we keep open to us until the layer is complete */
};

struct dir_state {
    int fd; /* -1: closed for now */
    bool used;
    mode_t mode; /* with NODE_LATE_MODE */
    struct timespec times[2];
};

struct node {
    struct node *parent, *child, *next, *prev, *chain;
    struct dir_state *dir; /* NULL: not a directory, as far as known */
    uint64_t hash;
    uint16_t flags, depth, name_len;
    char name[];
};

struct tree {
    struct node *root;
    struct node **buckets;
    size_t bucket_count, count;
    uint64_t seed;
    struct node *open[TREE_OPEN_MAX];
    size_t hand;
    struct node **path; /* scratch of tree_fd: TREE_DEPTH_MAX pointers */
};

int tree_init(struct tree *t, int root_fd);
void tree_free(struct tree *t);
struct node *tree_find(struct tree *t, struct node *parent, const char *name, size_t length);

/* Finds or makes. NULL: no memory, or too deep (errno says which). */
struct node *tree_add(struct tree *t, struct node *parent, const char *name, size_t length);
void tree_mark_added(struct node *node);

/* Forgets a node and everything below it. */
void tree_drop(struct tree *t, struct node *node);

/* Makes the node a directory, with fd (may be -1) as its descriptor. */
int tree_set_dir(struct tree *t, struct node *node, int fd);

/* The directory's descriptor, opened again if it was closed; the tree's own. -errno on failure. */
int tree_fd(struct tree *t, struct node *node);

/* Children before their parents, the root last: start with tree_first, go on with tree_after. */
struct node *tree_first(struct node *top);
struct node *tree_after(struct node *node);

/* The next node in pre-order below `top`; NULL at the end. */
struct node *tree_next(const struct node *top, struct node *node);
