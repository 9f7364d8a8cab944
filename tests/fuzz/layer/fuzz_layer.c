/* Two layers of any bytes applied to one directory. What lies beside that directory must stay as it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tar/checksums.h"
#include "layer.h"

static char place[] = "/dev/shm/fuzz-layer-XXXXXX";
static int place_fd;
static struct stat sentinel;

static void must(int truth)
{
    if (!truth)
        abort();
}

static void leave(void)
{
    close(place_fd);
    layer_remove(AT_FDCWD, place);
}

static void look_at_sentinel(struct stat *st)
{
    must(fstatat(place_fd, "sentinel", st, AT_SYMLINK_NOFOLLOW) == 0);
}

static void prepare(void)
{
    if (place_fd)
        return;
    must(mkdtemp(place) != NULL);
    place_fd = open(place, O_RDONLY | O_DIRECTORY);
    must(place_fd > 0);
    must(mkdirat(place_fd, "sentinel", 0700) == 0);
    look_at_sentinel(&sentinel);
    atexit(leave);
}

static int apply(int root_fd, const char *bytes, size_t size)
{
    struct layer *layer = layer_new(root_fd, LAYER_ROOTLESS);
    int rc = layer_feed(layer, bytes, size);

    if (rc == 0)
        rc = layer_finish(layer);
    must(rc <= 0 && strlen(layer_entry(layer)) < 4096);
    must(rc != -EBADMSG || layer_problem(layer));
    layer_free(layer);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size + 1);
    size_t blocks = size / 512, first = 0;
    struct stat now;
    int root_fd;

    prepare();
    must(mkdirat(place_fd, "root", 0700) == 0);
    root_fd = openat(place_fd, "root", O_RDONLY | O_DIRECTORY);
    memcpy(bytes, data, size);
    mend_checksums(bytes, size);
    if (blocks > 1)
        first =
            (unsigned char)data[512 + 300] % blocks * 512; /* a byte of a header that nothing else reads */
    apply(root_fd, bytes, first);
    apply(root_fd, bytes + first, size - first);
    close(root_fd);
    must(layer_remove(place_fd, "root") == 0);
    look_at_sentinel(&now);
    must(now.st_mode == sentinel.st_mode && now.st_mtim.tv_nsec == sentinel.st_mtim.tv_nsec);
    must(now.st_nlink == sentinel.st_nlink && now.st_ctim.tv_nsec == sentinel.st_ctim.tv_nsec);
    free(bytes);
    return 0;
}
