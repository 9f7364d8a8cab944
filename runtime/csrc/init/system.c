// Names, sysctls and the loopback device of the new namespaces.

#include "init.h"
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

int do_sethostname(const struct op *op)
{
    return SYS(sethostname(op_str(op, 0), op_len(op, 0)));
}

int do_setdomainname(const struct op *op)
{
    return SYS(syscall(SYS_setdomainname, op_str(op, 0), op_len(op, 0)));
}

int do_sysctl(const struct op *op)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "sys/%s", op_str(op, 0)) >= (int)sizeof path)
        return -ENAMETOOLONG;
    CLEANUP_FD int fd = open_proc_file(path, O_WRONLY);
    if (fd < 0)
        return fd;
    long done = SYS(write(fd, op_str(op, 1), op_len(op, 1)));
    return done < 0 ? done : 0;
}

int do_loopback_up(const struct op *op)
{
    struct ifreq request = {.ifr_name = "lo"};
    CLEANUP_FD int fd = SYS(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

    (void)op;
    if (fd < 0)
        return fd == -EAFNOSUPPORT ? 0 : fd;
    int result = SYS(ioctl(fd, SIOCGIFFLAGS, &request));
    if (result < 0)
        return result;
    request.ifr_flags |= IFF_UP;
    return SYS(ioctl(fd, SIOCSIFFLAGS, &request));
}
