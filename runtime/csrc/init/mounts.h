// The mount API of kernel 5.2 and 5.12 on descriptors: detached mounts are made, given their attributes,
// and attached to a descriptor that open_in_root() found. No path is walked twice.

#ifndef TARE_MOUNTS_H
#define TARE_MOUNTS_H

#include "mount_api.h"
#include <stdint.h>

// A detached mount of a new file system: an fd the caller owns, or -errno (self.detail: the kernel's words).
int new_filesystem(const char *fstype, const char *source, const char *data, uint64_t attr);
int attach(int tree, int target);
int set_attr(int tree, struct mount_attr *attr, int flags);
int set_propagation(int tree, uint64_t propagation, int recursive);
// Where a mount goes, made if it is missing; `flags`: MOUNT_*.
int open_target(const char *path, int flags, int is_file);

#endif
