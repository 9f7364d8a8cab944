/* What Python calls: one layer applied to one root directory. Every function returns 0 or -errno. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
    LAYER_ROOTLESS = 1,       /* owners, devices and privileged xattrs that we may not set are let go */
    LAYER_ESCAPE_OVERLAY = 2, /* trusted.overlay.X becomes trusted.overlay.overlay.X */
    LAYER_DROP_OVERLAY = 4,   /* trusted.overlay.* is left out: the kernel knows no escape */
    LAYER_OWN_UMASK = 8,      /* the calling thread has gone through layer_thread_umask() */
};

struct layer_totals {
    uint64_t entries;
    uint64_t bytes; /* of file contents */
    uint64_t unset; /* owners, xattrs and devices let go */
};

struct layer;

/* root_fd stays the caller's and must outlive the layer. NULL: no memory. */
struct layer *layer_new(int root_fd, unsigned flags);
int layer_feed(struct layer *layer, const char *bytes, size_t length);
int layer_finish(struct layer *layer);
void layer_free(struct layer *layer);

/* After a failure: what was wrong in words, or NULL when the errno says it; and the name of the entry. */
const char *layer_problem(struct layer *layer);
const char *layer_entry(struct layer *layer);
struct layer_totals layer_totals(struct layer *layer);

/* Gives the calling thread an umask of its own, 0: modes then need no second call. */
int layer_thread_umask(void);

/* A path inside a root, through openat2: for reading a rootfs that is not trusted. */
int layer_open_in_root(int root_fd, const char *path, int flags);

/* Removes a file or a whole tree, without following anything. ENOENT is success. */
int layer_remove(int dir_fd, const char *name);

/* Writes the whole file system that fd lies on to its disk. */
int layer_sync(int fd);

/* An overlay that is in no mount table: it goes away with the returned descriptor. A NULL value: a flag. */
int overlay_mount(const char *const *keys, const char *const *values, size_t count, unsigned attributes);
int overlay_attach(int mount_fd, const char *path);
int overlay_mount_hidden(const char *options, const char *target);
int overlay_mount_at(const char *options, const char *target);
int overlay_unmount(const char *target);
