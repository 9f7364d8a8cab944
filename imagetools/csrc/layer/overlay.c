/* Overlay mounts by the new mount interface: fsopen(2), Linux 5.2. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "layer.h"

static int configured(int fs, const char *const *keys, const char *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fsconfig(fs, FSCONFIG_SET_STRING, keys[i], values[i], 0) < 0)
            return -errno;
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

/* Hangs such a mount at a path. */
int overlay_attach(int mount_fd, const char *path)
{
    return move_mount(mount_fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}
