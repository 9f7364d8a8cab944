// Words with the runtime: one datagram each way, a descriptor with it where need be.

#include "init.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

size_t bounded_copy(char *out, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);

    memcpy(out, text, length);
    out[length] = 0;
    return length;
}

int detail(int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(self.detail, sizeof self.detail, format, args);
    va_end(args);
    return error;
}

int send_message(unsigned type, unsigned value, int error, const char *text, int fd)
{
    return send_data(type, value, error, text, text ? strnlen(text, MSG_TEXT_MAX) : 0, fd);
}

int send_data(unsigned type, unsigned value, int error, const void *data, size_t size, int fd)
{
    struct message head = {.type = type, .value = value, .error = error, .length = size};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};

    struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)data, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *item = CMSG_FIRSTHDR(&message);
        item->cmsg_level = SOL_SOCKET;
        item->cmsg_type = SCM_RIGHTS;
        item->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(item), &fd, sizeof fd);
    }
    return SYS(sendmsg(self.sync, &message, MSG_NOSIGNAL)) < 0 ? -EPIPE : 0;
}

void warn(const struct op *op, int error, const char *text)
{
    send_message(MSG_WARN, op->index, error, text, -1);
}

static void take_descriptors(struct msghdr *message, unsigned trees)
{
    struct cmsghdr *item = CMSG_FIRSTHDR(message);

    if (!item || item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS)
        return;
    unsigned count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    if (trees > count || trees > MAX_TREES || count - trees > MAX_CGROUPS)
        return;
    self.cgroup_count = count - trees;
    self.tree_count = trees;
    memcpy(self.cgroups, CMSG_DATA(item), self.cgroup_count * sizeof(int));
    memcpy(self.trees, CMSG_DATA(item) + self.cgroup_count * sizeof(int), trees * sizeof(int));
}

int await_go(void)
{
    struct message head;
    struct iovec parts[2] = {{&head, sizeof head}, {self.state, GO_TEXT_MAX}};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(MAX_PASSED * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 2,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};

    long got = SYS(recvmsg(self.sync, &message, MSG_CMSG_CLOEXEC));
    if (got < (long)sizeof head || head.type != MSG_GO)
        return detail(-EPIPE, "the runtime went away");
    take_descriptors(&message, head.value & GO_TREES);
    self.timed = self.timed || head.value & GO_TIMED;
    if (got > (long)sizeof head)
        self.state[got - sizeof head] = 0;
    return 0;
}

int do_sync(const struct op *op)
{
    int result = send_message(MSG_SYNC, op_int(op, 0), 0, NULL, -1);
    return result < 0 ? result : await_go();
}

// The runtime's word that the state on disk names this process: whatever happens to the runtime from here on,
// `delete` finds us. It is sent while we work, so there is nothing to wait for as a rule.
int do_recorded(const struct op *op)
{
    (void)op;
    return await_go();
}

int do_ready(const struct op *op)
{
    (void)op;
    return send_message(MSG_READY, 0, 0, NULL, -1);
}

// The connection replaces the socket to the runtime, which has gone by now. It is close-on-exec: `start`
// sees its end when the program runs, or a failure on it before that.
int do_gate(const struct op *op)
{
    (void)op;
    int connection = SYS(accept4(self.gate, NULL, NULL, SOCK_CLOEXEC));
    if (connection < 0)
        return connection;
    close(self.gate);
    close(self.sync);
    self.gate = -1;
    self.sync = connection;
    self.timed = 0; // what `create` wanted is no wish of `start`
    return await_go();
}
