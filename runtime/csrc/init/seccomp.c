// The container's seccomp filter, and its listener's way out.
//
// From the moment the filter is there, any of our own system calls may be one that waits for an answer of the
// listener: nothing that hands the listener on can be done by the thread that has the filter. So a second
// thread, which the filter does not cover, sees the descriptor come, sends it, and waits for the runtime's
// word that it is delivered; the first one makes no system call meanwhile. execve(2) ends the second one.

#include "init.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/syscall.h>

#define FLAG_TSYNC 1UL
#define FLAG_NEW_LISTENER 8UL

enum { WAITING = -100000 }; // no errno

static struct {
    volatile int listener; // WAITING, or what seccomp(2) returned: a descriptor, or -errno
    volatile int delivered;
    volatile int result;
} handing = {.listener = WAITING};

static int load(const struct op *op, unsigned long flags)
{
    struct sock_fprog program = {.len = op_len(op, 0) / sizeof(struct sock_filter),
                                 .filter = (struct sock_filter *)(uintptr_t)op_str(op, 0)};

    return SYS(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

static int deliver(int listener)
{
    int result = send_message(MSG_LISTENER, 0, 0, NULL, listener);

    if (!result)
        result = await_go();
    close(listener); // without anyone else who holds it, calls that wait for an answer get ENOSYS
    return result;
}

static int second_thread(void *nothing)
{
    (void)nothing;
    while (handing.listener == WAITING)
        sched_yield();
    if (handing.listener >= 0)
        handing.result = deliver(handing.listener);
    __sync_synchronize();
    handing.delivered = 1;
    syscall(SYS_exit, 0);
    return 0;
}

static int load_with_listener(const struct op *op, unsigned long flags)
{
    static char stack[32768] __attribute__((aligned(64)));
    int share = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

    if (clone(second_thread, stack + sizeof stack, share, NULL) < 0) {
        // A limit of one task. It works unless the filter holds our own calls up.
        int error = errno, listener = load(op, flags);
        return listener < 0 ? listener : error == EAGAIN ? deliver(listener) : -error;
    }
    handing.listener = load(op, flags);
    while (!handing.delivered)
        __asm__ volatile("" ::: "memory");
    if (handing.listener < 0)
        return handing.listener;
    return handing.result;
}

// TSYNC is for threads that a process has: init has none but the one that must not get the filter.
int do_seccomp(const struct op *op)
{
    unsigned long flags = op_int(op, 1);

    if (flags & FLAG_NEW_LISTENER)
        return load_with_listener(op, flags & ~FLAG_TSYNC);
    return load(op, flags);
}
