// What every program of ours does first that may be started with closed standard streams.

#ifndef TARE_STANDARD_STREAMS_H
#define TARE_STANDARD_STREAMS_H

#include <fcntl.h>

// A standard stream that is closed would be the number of the next file we open, a directory of the host for
// example, and go to the container as its own stream. Writing to what fills it fails, as to a closed one.
// 0, or -1 with errno.
static inline int fill_standard_streams(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
            return -1;
    return 0;
}

#endif
