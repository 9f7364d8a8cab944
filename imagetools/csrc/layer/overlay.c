/* Overlay mounts by the new mount interface: fsopen(2), Linux 5.2. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "layer.h"

static int configured(int fs, const char *const *keys, const char *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned command = values[i] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
        if (fsconfig(fs, command, keys[i], values[i], 0) < 0)
            return -errno;
    }
    return fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
}

/* Returns the descriptor of a mount that hangs nowhere: it ends with its last user, also when that is killed.
 */
int overlay_mount(const char *const *keys, const char *const *values, size_t count, unsigned attributes)
{
    int fs = fsopen("overlay", FSOPEN_CLOEXEC), rc, fd = -1;

    if (fs < 0)
        return -errno;
    rc = configured(fs, keys, values, count);
    if (rc == 0) {
        fd = fsmount(fs, FSMOUNT_CLOEXEC, attributes);
        rc = fd < 0 ? -errno : fd;
    }
    close(fs);
    return rc;
}

/* The same where fsconfig cannot take that many layers (it cuts each text at 256 bytes before Linux 6.7): an
 * ordinary mount, in a mount namespace that only the calling thread sees and that ends with it. Returns a
 * descriptor of its root, which keeps the mount alive. */
int overlay_mount_hidden(const char *options, const char *target)
{
    int fd;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("overlay", target, "overlay", 0, options) < 0)
        return -errno;
    fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* In the mount table, for containers on such kernels. */
int overlay_mount_at(const char *options, const char *target)
{
    return mount("overlay", target, "overlay", 0, options) < 0 ? -errno : 0;
}

int overlay_unmount(const char *target)
{
    return umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
}

/* Hangs such a mount at a path. */
int overlay_attach(int mount_fd, const char *path)
{
    return move_mount(mount_fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}
