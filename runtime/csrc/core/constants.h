// The kernel's numbers that plans are made of: taken from its headers, so that none is typed a second time.

#ifndef TARE_CONSTANTS_H
#define TARE_CONSTANTS_H

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/personality.h>
#include <sys/resource.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

// Kernel 6.9; an enumerator, so the preprocessor cannot tell whether the headers have it.
enum { TARE_MPOL_WEIGHTED_INTERLEAVE = 6 };

#endif
