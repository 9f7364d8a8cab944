// The runtime's side of the words with init, and the gate that `start` knocks at.

#include "core.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static int received_fd(struct msghdr *message)
{
    struct cmsghdr *item = CMSG_FIRSTHDR(message);
    int fd = -1;

    if (item && item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(item), sizeof fd);
    return fd;
}

int tare_receive(int socket, struct tare_message *message)
{
    struct message head;
    struct iovec parts[2] = {{&head, sizeof head}, {message->text, TARE_TEXT_MAX - 1}};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr header = {.msg_iov = parts,
                            .msg_iovlen = 2,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};

    message->type = 0;
    message->fd = -1;
    long got = CORE_RETRY(recvmsg(socket, &header, MSG_CMSG_CLOEXEC));
    // init ended with a word of ours unread: said once, before what it had to say itself.
    if (got == -ECONNRESET)
        got = CORE_RETRY(recvmsg(socket, &header, MSG_CMSG_CLOEXEC));
    if (got <= 0)
        return got;
    message->fd = received_fd(&header);
    if (got < (long)sizeof head)
        return -EBADMSG;
    message->type = head.type;
    message->value = head.value;
    message->error = head.error;
    message->length = got - sizeof head;
    message->text[message->length] = 0;
    return 1;
}

int tare_go(int socket, const char *text, size_t length, const int *passed, unsigned count, unsigned trees)
{
    struct message head = {.type = MSG_GO, .value = trees, .length = length};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)text, length}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(MAX_PASSED * sizeof(int))];
    } control = {0};

    if (length > GO_TEXT_MAX || count > MAX_PASSED)
        return -EMSGSIZE;
    if (count) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *item = CMSG_FIRSTHDR(&message);
        item->cmsg_level = SOL_SOCKET;
        item->cmsg_type = SCM_RIGHTS;
        item->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(item), passed, count * sizeof(int));
    }
    long sent = CORE_RETRY(sendmsg(socket, &message, MSG_NOSIGNAL));
    // EPIPE: init has ended, and why is what it said last.
    return sent < 0 && sent != -EPIPE ? sent : 0;
}

// A socket's path is limited to 107 bytes: the directory is named by its descriptor (unix(7)).
static void gate_address(struct sockaddr_un *address, int directory, const char *name)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%.64s", directory, name);
}

int tare_gate_listen(int directory, const char *name)
{
    struct sockaddr_un address;
    int fd = CORE_RETRY(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));

    if (fd < 0)
        return fd;
    gate_address(&address, directory, name);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int tare_gate_connect(int directory, const char *name)
{
    struct sockaddr_un address;
    int fd = CORE_RETRY(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)), room = GO_TEXT_MAX + 4096;

    if (fd < 0)
        return fd;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    gate_address(&address, directory, name);
    int result = CORE_RETRY(connect(fd, (struct sockaddr *)&address, sizeof address));
    if (result < 0)
        close(fd);
    return result < 0 ? result : fd;
}

int tare_send_console(const char *path, int master, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {(void *)(uintptr_t)name, strlen(name)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};

    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    struct cmsghdr *item = CMSG_FIRSTHDR(&message);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(item), &master, sizeof master);
    int fd = CORE_RETRY(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd < 0)
        return fd;
    long result = CORE_RETRY(connect(fd, (struct sockaddr *)&address, sizeof address));
    if (!result)
        result = CORE_RETRY(sendmsg(fd, &message, MSG_NOSIGNAL));
    close(fd);
    return result < 0 ? result : 0;
}
