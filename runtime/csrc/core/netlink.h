// Requests to the kernel's routing socket (rtnetlink(7)): one at a time, answered whole.

#ifndef TARE_NETLINK_H
#define TARE_NETLINK_H

#include <linux/rtnetlink.h>
#include <stdint.h>

struct nl_request {
    struct nlmsghdr head;
    char body[512];
};

int nl_socket(void); // the fd, the caller's; or -1 with errno

void nl_begin(struct nl_request *request, int type, int flags, const void *body, unsigned size);
void nl_attribute(struct nl_request *request, int type, const void *data, unsigned size);
void nl_text(struct nl_request *request, int type, const char *text);
void nl_number(struct nl_request *request, int type, uint32_t number);
void nl_bytes(struct nl_request *request, const void *attributes, unsigned size); // ready-made ones

// Sends it and gives each message of the answer to `take` (may be NULL), which stops it by -errno. 0 or
// -errno.
int nl_talk(int socket, struct nl_request *request, int (*take)(const struct nlmsghdr *, void *), void *out);

#endif
