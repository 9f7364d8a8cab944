// A network device of the host goes into the container's network namespace, with its permanent addresses.
//
// The kernel takes a device's addresses away when it changes namespace, so they are read before and set again
// behind. Spec: runtime-spec 1.3, config-linux.md "Network Devices"; rtnetlink(7).

#include "core.h"
#include "netlink.h"
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { MAX_ADDRESSES = 64 };

struct address {
    struct ifaddrmsg head;
    uint32_t flags;
    unsigned size;   // of the attributes
    char bytes[160]; // attributes as the kernel gave them: address, local, broadcast, priority
};

struct addresses {
    int index; // of the device
    unsigned count;
    struct address list[MAX_ADDRESSES];
};

// --- a socket in another namespace ------------------------------------------------------------------------

struct visit {
    int space, socket, error;
};

// Shares memory and descriptors with the runtime, but not its namespaces.
static int visit_namespace(void *argument)
{
    struct visit *visit = argument;

    if (setns(visit->space, CLONE_NEWNET) < 0 || (visit->socket = nl_socket()) < 0)
        visit->error = -errno;
    return 0;
}

static int socket_in(int pid)
{
    char path[48], stack[16384] __attribute__((aligned(16)));
    struct visit visit = {.socket = -1};

    snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
    visit.space = CORE_RETRY(open(path, O_RDONLY | O_CLOEXEC));
    if (visit.space < 0)
        return visit.space;
    int child =
        clone(visit_namespace, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &visit);
    int error = child < 0 ? -errno : visit.error;
    if (child > 0)
        tare_reap(child);
    close(visit.space);
    return error ? error : visit.socket;
}

// --- links ------------------------------------------------------------------------------------------------

static int take_link(const struct nlmsghdr *message, void *out)
{
    if (message->nlmsg_type == RTM_NEWLINK)
        *(struct ifinfomsg *)out = *(const struct ifinfomsg *)NLMSG_DATA(message);
    return 0;
}

// The device by its name, or, if that is NULL, by its index.
static int find_link(int socket, const char *name, int index, struct ifinfomsg *found)
{
    struct nl_request request;
    struct ifinfomsg head = {.ifi_family = AF_UNSPEC, .ifi_index = name ? 0 : index};

    nl_begin(&request, RTM_GETLINK, 0, &head, sizeof head);
    if (name)
        nl_text(&request, IFLA_IFNAME, name);
    return nl_talk(socket, &request, take_link, found);
}

static int move_link(int socket, int index, int pid, const char *new_name)
{
    struct nl_request request;
    struct ifinfomsg head = {.ifi_family = AF_UNSPEC, .ifi_index = index};

    nl_begin(&request, RTM_NEWLINK, 0, &head, sizeof head);
    nl_number(&request, IFLA_NET_NS_PID, pid);
    nl_text(&request, IFLA_IFNAME, new_name);
    return nl_talk(socket, &request, NULL, NULL);
}

static int link_up(int socket, int index)
{
    struct nl_request request;
    struct ifinfomsg head = {
        .ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};

    nl_begin(&request, RTM_NEWLINK, 0, &head, sizeof head);
    return nl_talk(socket, &request, NULL, NULL);
}

// --- addresses --------------------------------------------------------------------------------------------

static int is_kept(unsigned short type)
{
    return type == IFA_ADDRESS || type == IFA_LOCAL || type == IFA_BROADCAST || type == IFA_RT_PRIORITY;
}

static int take_address(const struct nlmsghdr *message, void *out)
{
    struct addresses *addresses = out;
    const struct ifaddrmsg *head = NLMSG_DATA(message);
    int left = message->nlmsg_len - NLMSG_LENGTH(sizeof *head);

    if (message->nlmsg_type != RTM_NEWADDR || (int)head->ifa_index != addresses->index ||
        head->ifa_scope != RT_SCOPE_UNIVERSE)
        return 0;
    if (addresses->count == MAX_ADDRESSES)
        return -E2BIG;
    struct address *one = &addresses->list[addresses->count];
    *one = (struct address){.head = *head, .flags = head->ifa_flags};
    for (const struct rtattr *item = IFA_RTA(head); RTA_OK(item, left); item = RTA_NEXT(item, left)) {
        if (item->rta_type == IFA_FLAGS)
            memcpy(&one->flags, RTA_DATA(item), sizeof one->flags);
        if (!is_kept(item->rta_type))
            continue;
        if (one->size + RTA_ALIGN(item->rta_len) > sizeof one->bytes)
            return -E2BIG;
        memcpy(one->bytes + one->size, item, item->rta_len);
        one->size += RTA_ALIGN(item->rta_len);
    }
    addresses->count += (one->flags & IFA_F_PERMANENT) != 0;
    return 0;
}

static int read_addresses(int socket, struct addresses *addresses)
{
    struct nl_request request;
    struct ifaddrmsg head = {.ifa_family = AF_UNSPEC};

    nl_begin(&request, RTM_GETADDR, NLM_F_DUMP, &head, sizeof head);
    return nl_talk(socket, &request, take_address, addresses);
}

static int set_address(int socket, int index, const struct address *address)
{
    struct nl_request request;
    struct ifaddrmsg head = address->head;

    head.ifa_index = index;
    head.ifa_flags = 0;
    nl_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof head);
    nl_bytes(&request, address->bytes, address->size);
    nl_number(&request, IFA_FLAGS, address->flags & (IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_HOMEADDRESS));
    return nl_talk(socket, &request, NULL, NULL);
}

static int set_addresses(int socket, int index, const struct addresses *addresses)
{
    int result = 0;

    for (unsigned i = 0; !result && i < addresses->count; i++)
        result = set_address(socket, index, &addresses->list[i]);
    return result;
}

// --- the whole --------------------------------------------------------------------------------------------

// A name with "%d" is made unique by the kernel; any other must be free, which is seen before anything is
// done: a device that could not be renamed would be lost with the container's namespace.
static int is_free(int socket, const char *name)
{
    struct ifinfomsg found;

    if (strchr(name, '%'))
        return 0;
    int result = find_link(socket, name, 0, &found);
    return result == -ENODEV ? 0 : result ? result : -EEXIST;
}

// It keeps its index, unless another device there has that already.
static int find_moved(int socket, const char *name, int index, struct ifinfomsg *found)
{
    return find_link(socket, strchr(name, '%') ? NULL : name, index, found);
}

static int move_device(int outside, int inside, int pid, const char *name, const char *new_name,
                       struct addresses *addresses)
{
    struct ifinfomsg link = {0};
    int result = find_link(outside, name, 0, &link);

    if (!result && link.ifi_flags & IFF_LOOPBACK)
        result = -EINVAL;
    if (!result)
        result = is_free(inside, new_name);
    addresses->index = link.ifi_index;
    if (!result)
        result = read_addresses(outside, addresses);
    if (!result)
        result = move_link(outside, link.ifi_index, pid, new_name);
    if (!result)
        result = find_moved(inside, new_name, link.ifi_index, &link);
    if (!result)
        result = set_addresses(inside, link.ifi_index, addresses);
    return result ? result : link_up(inside, link.ifi_index);
}

int tare_move_net_device(int pid, const char *name, const char *new_name)
{
    struct addresses *addresses = calloc(1, sizeof *addresses);
    int outside = nl_socket(), inside = outside < 0 ? -errno : socket_in(pid), result = inside;

    if (!addresses)
        result = -ENOMEM;
    else if (inside >= 0)
        result = move_device(outside, inside, pid, name, new_name, addresses);
    if (inside >= 0)
        close(inside);
    if (outside >= 0)
        close(outside);
    free(addresses);
    return result;
}
