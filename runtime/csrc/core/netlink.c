#include "netlink.h"
#include "core.h"
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

int nl_socket(void)
{
    struct timeval patience = {.tv_sec = 10}; // the kernel answers at once, or an answer was lost
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

void nl_bytes(struct nl_request *request, const void *attributes, unsigned size)
{
    unsigned at = NLMSG_ALIGN(request->head.nlmsg_len);

    if (at + size > sizeof *request)
        return; // the kernel then misses an attribute, and says so
    memcpy((char *)request + at, attributes, size);
    request->head.nlmsg_len = at + size;
}

void nl_begin(struct nl_request *request, int type, int flags, const void *body, unsigned size)
{
    memset(request, 0, sizeof *request);
    request->head = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(0),
                                      .nlmsg_type = type,
                                      .nlmsg_flags = NLM_F_REQUEST | flags,
                                      .nlmsg_seq = 1};
    if ((flags & NLM_F_DUMP) != NLM_F_DUMP) // two bits, one of which is NLM_F_REPLACE elsewhere
        request->head.nlmsg_flags |= NLM_F_ACK;
    nl_bytes(request, body, size);
}

void nl_attribute(struct nl_request *request, int type, const void *data, unsigned size)
{
    char item[RTA_SPACE(256)] = {0};
    struct rtattr *head = (struct rtattr *)item;

    if (size > 256)
        return;
    head->rta_type = type;
    head->rta_len = RTA_LENGTH(size);
    memcpy(RTA_DATA(head), data, size);
    nl_bytes(request, item, RTA_SPACE(size));
}

void nl_text(struct nl_request *request, int type, const char *text)
{
    nl_attribute(request, type, text, strlen(text) + 1);
}

void nl_number(struct nl_request *request, int type, uint32_t number)
{
    nl_attribute(request, type, &number, sizeof number);
}

// 1: more follows; 0: that was all; or -errno.
static int read_messages(const char *data, long size, int (*take)(const struct nlmsghdr *, void *), void *out)
{
    unsigned left = size;

    for (const struct nlmsghdr *one = (const void *)data; NLMSG_OK(one, left); one = NLMSG_NEXT(one, left)) {
        if (one->nlmsg_type == NLMSG_DONE)
            return 0;
        if (one->nlmsg_type == NLMSG_ERROR)
            return ((const struct nlmsgerr *)NLMSG_DATA(one))->error;
        int result = take ? take(one, out) : 0;
        if (result < 0)
            return result;
    }
    return 1;
}

int nl_talk(int socket, struct nl_request *request, int (*take)(const struct nlmsghdr *, void *), void *out)
{
    char data[32768] __attribute__((aligned(8)));
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

    long done = CORE_RETRY(
        sendto(socket, request, request->head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel));
    while (done >= 0) {
        done = CORE_RETRY(recv(socket, data, sizeof data, MSG_TRUNC));
        if (done > (long)sizeof data)
            return -EMSGSIZE;
        if (done >= 0) {
            done = read_messages(data, done, take, out);
            if (done <= 0)
                break;
        }
    }
    return done;
}
