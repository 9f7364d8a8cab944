#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "probe.h"

enum { LONGEST = 256 * 1024 };
static char content[LONGEST];

static ssize_t slurp(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t total = 0, got = 0;
    if (fd < 0)
        return -1;
    while (total < LONGEST && (got = read(fd, content + total, (size_t)(LONGEST - total))) > 0)
        total += got;
    int saved = errno;
    close(fd);
    errno = saved;
    return got < 0 ? -1 : total;
}

void see_read(const char *key, const char *argument)
{
    ssize_t length = slurp(argument);
    if (length < 0)
        json_errno(key);
    else
        json_bytes(key, content, (size_t)length);
}

void see_lines(const char *key, const char *argument)
{
    ssize_t length = slurp(argument);
    if (length < 0) {
        json_errno(key);
        return;
    }
    json_open(key, '[');
    for (char *at = content, *end = content + length; at < end;) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        json_bytes(NULL, at, (size_t)(stop - at));
        at = stop + 1;
    }
    json_close(']');
}

static const char *kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "file";
    case S_IFDIR:
        return "directory";
    case S_IFLNK:
        return "link";
    case S_IFCHR:
        return "char";
    case S_IFBLK:
        return "block";
    case S_IFIFO:
        return "fifo";
    default:
        return "other";
    }
}

/* The path itself: a symbolic link is not followed. */
void see_stat(const char *key, const char *argument)
{
    struct stat facts;
    if (lstat(argument, &facts)) {
        json_errno(key);
        return;
    }
    json_open(key, '{');
    json_text("type", kind_of(facts.st_mode));
    json_number("mode", facts.st_mode & 07777);
    json_number("uid", facts.st_uid);
    json_number("gid", facts.st_gid);
    json_number("size", facts.st_size);
    json_natural("inode", facts.st_ino);
    json_number("major", major(facts.st_rdev));
    json_number("minor", minor(facts.st_rdev));
    json_close('}');
}

void see_list(const char *key, const char *argument)
{
    DIR *folder = opendir(argument);
    struct dirent *entry;
    if (!folder) {
        json_errno(key);
        return;
    }
    json_open(key, '[');
    while ((entry = readdir(folder)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            json_text(NULL, entry->d_name);
    json_close(']');
    closedir(folder);
}

void see_readlink(const char *key, const char *argument)
{
    char target[PATH_MAX];
    ssize_t length = readlink(argument, target, sizeof target);
    if (length < 0)
        json_errno(key);
    else
        json_bytes(key, target, (size_t)length);
}

void see_statfs(const char *key, const char *argument)
{
    struct statfs facts;
    if (statfs(argument, &facts)) {
        json_errno(key);
        return;
    }
    json_open(key, '{');
    json_natural("type", (unsigned long long)facts.f_type);
    json_natural("flags", (unsigned long long)facts.f_flags);
    json_natural("bytes", (unsigned long long)facts.f_blocks * (unsigned long long)facts.f_bsize);
    json_close('}');
}
