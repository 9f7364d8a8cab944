// The only ways into a root filesystem, tried on a hostile one with a sentinel outside.
// sources: runtime/csrc/init/resolve.c runtime/csrc/init/message.c

#include "init/init.h"
#include <stdlib.h>
#include <sys/stat.h>

#include "check.h"

struct init self;

static char top[] = "/tmp/tare-resolve.XXXXXX";
static int outside; // the folder that holds root/ and the sentinel

static void make_hostile_root(void)
{
    char target[96];

    CHECK(mkdtemp(top) != NULL);
    outside = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mkdirat(outside, "root", 0755);
    mkdirat(outside, "root/dir", 0755);
    mkdirat(outside, "secret", 0755);
    close(openat(outside, "root/dir/file", O_CREAT | O_CLOEXEC | O_WRONLY, 0644));
    snprintf(target, sizeof target, "%s/secret", top);
    symlinkat(target, outside, "root/absolute");
    symlinkat("../../../../../../../../..", outside, "root/climb");
    symlinkat("../secret", outside, "root/beside");
    symlinkat("/dir", outside, "root/inside");
    symlinkat("loop", outside, "root/loop");
    symlinkat("/proc/self/root", outside, "root/magic");
    symlinkat("gone/deeper", outside, "root/dangling");
    self.rootfd = openat(outside, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    self.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void check_nothing_escaped(void)
{
    struct stat info;

    CHECK(!fstatat(outside, "secret", &info, 0) && info.st_nlink == 2);
    int fd = openat(outside, "secret", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(unlinkat(outside, "secret", AT_REMOVEDIR) == 0); // only an empty one can be removed
    mkdirat(outside, "secret", 0755);
    close(fd);
}

static int same_place(int fd, const char *path)
{
    struct stat a, b;
    int same = fd >= 0 && !fstat(fd, &a) && !fstatat(outside, path, &b, AT_SYMLINK_NOFOLLOW) &&
               a.st_ino == b.st_ino && a.st_dev == b.st_dev;
    close_fd(&fd);
    return same;
}

static void test_every_path_ends_inside(void)
{
    CHECK(same_place(open_in_root("/", O_PATH), "root"));
    CHECK(same_place(open_in_root("", O_PATH), "root"));
    CHECK(same_place(open_in_root("/../../..", O_PATH), "root"));
    CHECK(same_place(open_in_root("climb", O_PATH), "root"));
    CHECK(same_place(open_in_root("climb/dir/file", O_PATH), "root/dir/file"));
    CHECK(same_place(open_in_root("inside/file", O_PATH), "root/dir/file"));
    CHECK(same_place(open_in_root("//dir//./../dir/file", O_PATH), "root/dir/file"));
}

static void test_what_points_outside_is_missing(void)
{
    CHECK_INT(open_in_root("absolute", O_PATH), -ENOENT);
    CHECK_INT(open_in_root("beside", O_PATH), -ENOENT);
    CHECK_INT(open_in_root("climb/secret", O_PATH), -ENOENT);
    CHECK_INT(open_in_root("loop", O_PATH), -ELOOP);
    CHECK_INT(open_in_root("dir/file/x", O_PATH), -ENOTDIR);
}

static void test_plain_lookups_follow_no_link_at_all(void)
{
    CHECK_INT(open_in_root_plain("inside", O_PATH), -ELOOP);
    CHECK_INT(open_in_root_plain("inside/file", O_PATH), -ELOOP);
    CHECK(same_place(open_in_root_plain("dir/file", O_PATH), "root/dir/file"));
}

static void test_what_is_made_is_made_inside(void)
{
    CHECK(same_place(make_in_root("/a/b/c", 0755, 0), "root/a/b/c"));
    CHECK(same_place(make_in_root("a/b/c", 0755, 0), "root/a/b/c"));
    CHECK(same_place(make_in_root("a/file", 0644, 1), "root/a/file"));
    CHECK(same_place(make_in_root("climb/made", 0755, 0), "root/made"));
    CHECK(same_place(make_in_root("inside/made", 0755, 0), "root/dir/made"));
    CHECK(same_place(make_in_root("../../up", 0755, 0), "root/up"));
    CHECK_INT(make_in_root("dir/file/x", 0755, 0), -ENOTDIR);
    CHECK(make_in_root("loop/x", 0755, 0) < 0);
    CHECK(make_in_root("absolute/x", 0755, 0) >= 0); // inside, whatever the link says
    check_nothing_escaped();
}

static void test_a_path_longer_than_paths_are_is_refused(void)
{
    static char path[3 * PATH_MAX];

    for (size_t i = 0; i + 2 < sizeof path; i++)
        path[i] = i % 2 ? 'x' : '/';
    CHECK_INT(open_in_root(path, O_PATH), -ENAMETOOLONG);
    CHECK(make_in_root(path, 0755, 0) < 0);
    const char *name;
    CHECK_INT(open_parent_in_root(path, &name), -ENAMETOOLONG);
}

static void test_a_parent_is_one_with_a_name_in_it(void)
{
    const char *name;

    CHECK(same_place(open_parent_in_root("dev/pts/ptmx", &name), "root/dev/pts"));
    CHECK_STR(name, "ptmx");
    CHECK(same_place(open_parent_in_root("top", &name), "root"));
    CHECK_STR(name, "top");
    CHECK_INT(open_parent_in_root("dir/..", &name), -EINVAL);
    CHECK_INT(open_parent_in_root("dir/", &name), -EINVAL);
    CHECK_INT(open_parent_in_root(".", &name), -EINVAL);
    check_nothing_escaped();
}

static void test_proc_is_the_hosts_and_followed_nowhere(void)
{
    int fd = open_proc_file("sys/kernel/ostype", O_RDONLY);
    char text[8] = "";

    CHECK(fd >= 0 && read(fd, text, 5) == 5);
    close_fd(&fd);
    CHECK_STR(text, "Linux");
    CHECK(open_proc_file("self/status", O_RDONLY) == -ELOOP);
    CHECK(open_proc_file("../etc/passwd", O_RDONLY) == -EXDEV);
    CHECK(open_proc_file("1/root/etc", O_PATH) < 0);
}

int main(void)
{
    make_hostile_root();
    test_every_path_ends_inside();
    test_what_points_outside_is_missing();
    test_plain_lookups_follow_no_link_at_all();
    test_what_is_made_is_made_inside();
    test_a_path_longer_than_paths_are_is_refused();
    test_a_parent_is_one_with_a_name_in_it();
    test_proc_is_the_hosts_and_followed_nowhere();
    close(self.rootfd);
    close(self.proc);
    close(outside);
    if (fork() == 0)
        execl("/bin/rm", "rm", "-rf", top, NULL);
    return check_failures != 0;
}
