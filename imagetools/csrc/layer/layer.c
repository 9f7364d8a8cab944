/* Entries of the reader → calls on the tree. What each kind of entry does is in the files named for it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apply.h"

void close_fd(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd);
    errno = saved;
}

int layer_bad(struct layer *l, const char *problem)
{
    l->problem = problem;
    return -EBADMSG;
}

void layer_name(struct layer *l, const char *name)
{
    size_t length = strnlen(name, sizeof(l->entry) - 1);

    memcpy(l->entry, name, length);
    l->entry[length] = '\0';
}

/* (uid_t)-1 tells chown to leave the owner alone: such a file would silently become root's. */
static bool is_owner(int64_t id)
{
    return id >= 0 && id < UINT32_MAX;
}

static int dispatch(struct layer *l, struct node *parent, const char *base, const struct tar_entry *e)
{
    if (e->type == TAR_LINK)
        return create_link(l, parent, base, e);
    if (!is_owner(e->uid) || !is_owner(e->gid))
        return layer_bad(l, "the owner's number is none that a file can have");
    if (e->type == TAR_DIR)
        return create_dir(l, parent, base, e);
    if (e->type == TAR_FILE)
        return create_file(l, parent, base, e);
    return create_special(l, parent, base, e);
}

static int whiteout_entry(struct layer *l, const char *base)
{
    char dir[PATH_BYTES_MAX];
    size_t length = base == l->path ? 0 : (size_t)(base - l->path - 1);

    memcpy(dir, l->path, length);
    dir[length] = '\0';
    return apply_whiteout(l, dir, base);
}

static int on_entry(void *self, const struct tar_entry *e)
{
    struct layer *l = self;
    struct node *parent;
    const char *base;
    int rc;

    l->totals.entries++;
    layer_name(l, e->name);
    rc = clean_path(e->name, l->path);
    if (rc)
        return rc;
    if (!l->path[0])
        return is_owner(e->uid) && is_owner(e->gid)
                   ? create_root(l, e)
                   : layer_bad(l, "the owner's number is none that a file can have");
    base = strrchr(l->path, '/');
    base = base ? base + 1 : l->path;
    if (strstr(l->path, ".wh.")) {
        rc = whiteout_entry(l, base);
        if (rc)
            return rc < 0 ? rc : 0;
    }
    rc = walk_parent(l, l->path, true, &parent);
    return rc ? rc : dispatch(l, parent, base, e);
}

static int on_data(void *self, const char *bytes, size_t length, int64_t offset)
{
    struct layer *l = self;

    if (l->file_fd < 0)
        return 0; /* the contents of a whiteout */
    l->totals.bytes += length;
    while (length > 0) {
        ssize_t done = pwrite(l->file_fd, bytes, length, offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        bytes += done;
        offset += done;
        length -= (size_t)done;
    }
    return 0;
}

static int on_end(void *self)
{
    struct layer *l = self;
    return l->file_fd < 0 ? 0 : finish_file(l);
}

struct layer *layer_new(int root_fd, unsigned flags)
{
    struct layer *l = calloc(1, sizeof(*l));

    if (!l)
        return NULL;
    l->flags = flags;
    l->uid = geteuid();
    l->gid = getegid();
    l->file_fd = -1;
    tar_reader_init(&l->reader,
                    (struct tar_sink){.self = l, .entry = on_entry, .data = on_data, .end = on_end});
    if (tree_init(&l->tree, root_fd) < 0) {
        layer_free(l);
        return NULL;
    }
    return l;
}

int layer_feed(struct layer *l, const char *bytes, size_t length)
{
    return tar_feed(&l->reader, bytes, length);
}

int layer_finish(struct layer *l)
{
    int rc = tar_finish(&l->reader);

    if (rc == 0)
        rc = finish_links(l);
    return rc ? rc : finish_dirs(l);
}

void layer_free(struct layer *l)
{
    struct late_link *late;

    if (!l)
        return;
    close_fd(&l->file_fd);
    while ((late = l->late)) {
        l->late = late->next;
        free(late->path);
        free(late->target);
        free(late);
    }
    tree_free(&l->tree);
    tar_reader_free(&l->reader);
    free(l);
}

const char *layer_problem(struct layer *l)
{
    return l->problem ? l->problem : l->reader.problem;
}

const char *layer_entry(struct layer *l)
{
    return l->entry;
}

struct layer_totals layer_totals(struct layer *l)
{
    return l->totals;
}

int layer_thread_umask(void)
{
    if (unshare(CLONE_FS) < 0)
        return -errno;
    umask(0);
    return 0;
}

int layer_open_in_root(int root_fd, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}
