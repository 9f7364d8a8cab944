// The kernel's mount API, with what the C libraries' headers may be too old to name.

#ifndef TARE_MOUNT_API_H
#define TARE_MOUNT_API_H

#include <linux/mount.h>

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

#endif
