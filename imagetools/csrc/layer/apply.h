/* One layer being applied: the state that the files of this folder share. */
#pragma once
#include <stdbool.h>
#include <sys/stat.h>

#include "layer.h"
#include "tar.h"
#include "tree.h"

enum {
    PATH_BYTES_MAX = 4096,
    WALK_BYTES_MAX = 1 << 14, /* a path while symbolic links in it are being replaced */
    WALK_LINKS_MAX = 255,
};

struct late_link {
    struct late_link *next;
    char *path, *target;
};

struct layer {
    struct tar_reader reader;
    struct tree tree;
    unsigned flags;
    uid_t uid;
    gid_t gid;
    const char *problem;
    char entry[PATH_BYTES_MAX];
    struct layer_totals totals;

    /* the file that data goes to */
    int file_fd;
    const struct tar_entry *file;
    bool file_set_group; /* its directory hands its group on */

    /* the directory of the entry before: most entries are neighbours */
    char last_dir[PATH_BYTES_MAX];
    struct node *last_node;

    char path[PATH_BYTES_MAX]; /* the entry's name, cleaned */
    char walk[2][WALK_BYTES_MAX + PATH_BYTES_MAX];
    struct late_link *late;
};

#define close_at_end __attribute__((cleanup(close_fd)))
void close_fd(int *fd);
int layer_bad(struct layer *l, const char *problem);
/* Which entry an error would be about. */
void layer_name(struct layer *l, const char *name);

/* walk.c */
int clean_path(const char *name, char *out);
/* -ENOENT when something is missing and `create` is not set. */
int walk(struct layer *l, const char *path, bool create, struct node **out);
int walk_parent(struct layer *l, const char *path, bool create, struct node **out);
int open_child_dir(struct layer *l, struct node *parent, const char *name, size_t length, struct node **out);
/* Before the first change to what a directory holds: its times are kept, to be set again at the end. */
int about_to_change(struct layer *l, struct node *dir);

/* remove.c */
int remove_tree(int dir_fd, const char *name);
int remove_name(struct layer *l, struct node *parent, const char *name);
int remove_lower(struct layer *l, struct node *dir);

/* whiteout.c */
/* 1: it was one and is done; 0: an ordinary name. */
int apply_whiteout(struct layer *l, const char *dir, const char *base);

/* create.c */
int create_file(struct layer *l, struct node *parent, const char *base, const struct tar_entry *e);
int create_dir(struct layer *l, struct node *parent, const char *base, const struct tar_entry *e);
int create_root(struct layer *l, const struct tar_entry *e);
int create_special(struct layer *l, struct node *parent, const char *base, const struct tar_entry *e);
int finish_file(struct layer *l);

/* link.c */
int create_link(struct layer *l, struct node *parent, const char *base, const struct tar_entry *e);
int finish_links(struct layer *l);

/* metadata.c */
int set_owner_at(struct layer *l, struct node *parent, const char *base, const struct tar_entry *e);
int set_xattrs(struct layer *l, int fd, const char *base, const struct tar_entry *e);
int clear_xattrs(struct layer *l, int fd, const struct tar_entry *e);
int set_dir_metadata(struct layer *l, int fd, const struct tar_entry *e);
int set_file_metadata(struct layer *l, int fd, const struct tar_entry *e, bool set_group);
int finish_dirs(struct layer *l);
