// tmpcopyup: a tmpfs starts with what the directory below it holds.
//
// The source lies in the rootfs and may be hostile: entries are opened without following links, and what
// is neither file, directory nor link is left out. Depth is bounded; names are read with getdents64(2).

#include "init.h"
#include <dirent.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { MAX_DEPTH = 64 };

struct entry64 {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

struct level {
    int from, to;
    int filled, at;
    char buffer[2048] __attribute__((aligned(8)));
};

static int copy_metadata(int from, int to)
{
    struct stat info;

    if (fstat(from, &info) < 0)
        return -errno;
    int result = SYS(fchown(to, info.st_uid, info.st_gid));
    if (!result)
        result = SYS(fchmod(to, info.st_mode & 07777));
    struct timespec times[2] = {info.st_atim, info.st_mtim};
    return result < 0 ? result : (int)SYS(futimens(to, times));
}

static int copy_file(int from_dir, int to_dir, const char *name)
{
    CLEANUP_FD int from = SYS(openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (from < 0)
        return from;
    CLEANUP_FD int to = SYS(openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (to < 0)
        return to;
    for (;;) {
        long moved = SYS(sendfile(to, from, NULL, 1 << 20));
        if (moved < 0)
            return moved;
        if (!moved)
            return copy_metadata(from, to);
    }
}

static int copy_link(int from_dir, int to_dir, const char *name)
{
    char text[PATH_MAX];
    long length = SYS(readlinkat(from_dir, name, text, sizeof text - 1));

    if (length < 0)
        return length;
    text[length] = 0;
    return SYS(symlinkat(text, to_dir, name));
}

static int descend(struct level *above, struct level *below, const char *name)
{
    int result = SYS(mkdirat(above->to, name, 0700));

    below->from = below->to = -1;
    below->filled = below->at = 0;
    if (result < 0)
        return result;
    below->from = SYS(openat(above->from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (below->from < 0)
        return below->from;
    below->to = SYS(openat(above->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    return below->to < 0 ? below->to : 0;
}

// The next entry of a level other than "." and "..": 1, 0 at the end, or -errno.
static int next_entry(struct level *level, struct entry64 **entry)
{
    for (;;) {
        if (level->at >= level->filled) {
            level->filled = SYS(syscall(SYS_getdents64, level->from, level->buffer, sizeof level->buffer));
            level->at = 0;
            if (level->filled <= 0)
                return level->filled;
        }
        *entry = (struct entry64 *)(void *)(level->buffer + level->at);
        level->at += (*entry)->length;
        if (strcmp((*entry)->name, ".") && strcmp((*entry)->name, ".."))
            return 1;
    }
}

static int leave(struct level *level)
{
    int result = copy_metadata(level->from, level->to);

    close(level->from);
    close(level->to);
    return result;
}

static int copy_entry(struct level *levels, int *depth, struct entry64 *entry)
{
    struct level *here = &levels[*depth];

    if (entry->type == DT_REG)
        return copy_file(here->from, here->to, entry->name);
    if (entry->type == DT_LNK)
        return copy_link(here->from, here->to, entry->name);
    if (entry->type != DT_DIR)
        return 0;
    if (*depth + 1 >= MAX_DEPTH)
        return detail(-ELOOP, "more than %d directories deep", MAX_DEPTH);
    int result = descend(here, &levels[*depth + 1], entry->name);
    if (!result)
        ++*depth;
    return result;
}

// Copies what is in the directory `from` into `to`; both stay the caller's.
int copy_tree(int from, int to)
{
    static struct level levels[MAX_DEPTH];
    struct entry64 *entry;
    int depth = 0, result;

    levels[0] = (struct level){.from = dup(from), .to = SYS(openat(to, ".", O_RDONLY | O_DIRECTORY))};
    if (levels[0].from < 0 || levels[0].to < 0)
        return -EMFILE;
    while (depth >= 0) {
        result = next_entry(&levels[depth], &entry);
        if (result == 1)
            result = copy_entry(levels, &depth, entry);
        else if (!result)
            result = leave(&levels[depth--]);
        if (result < 0)
            return result;
    }
    return 0;
}
