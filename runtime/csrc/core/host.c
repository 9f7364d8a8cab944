// The host operations: what is done in the runtime's own process before anything is spawned.

#include "../record/record.h"
#include "core.h"
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

const char *tare_op_table(void)
{
    return op_table();
}

static int write_file(const char *path, const char *data, size_t size)
{
    int fd = CORE_RETRY(open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW));

    if (fd < 0)
        return fd;
    long done = CORE_RETRY(write(fd, data, size));
    close(fd);
    return done < 0 ? done : (size_t)done == size ? 0 : -EIO;
}

static long read_file(const char *path, char *out, size_t size)
{
    int fd = CORE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));

    if (fd < 0)
        return fd;
    long got = CORE_RETRY(read(fd, out, size));
    close(fd);
    return got;
}

// A fresh v1 cpuset has no cpus and no memory nodes, and no process may join it before it has
// (Documentation/admin-guide/cgroup-v1/cpusets.rst).
static int copy_parent(const char *directory, const char *name)
{
    char path[4096 + 64], text[4096];

    snprintf(path, sizeof path, "%.4000s/%.60s", directory, name);
    long got = read_file(path, text, sizeof text);
    if (got < 0 || (got > 0 && text[0] != '\n'))
        return got < 0 ? got : 0;
    snprintf(path, sizeof path, "%.4000s/../%.60s", directory, name);
    got = read_file(path, text, sizeof text);
    if (got <= 0)
        return got;
    snprintf(path, sizeof path, "%.4000s/%.60s", directory, name);
    return write_file(path, text, got);
}

// cgroup.controllers of a v2 cgroup, each with a plus, to its cgroup.subtree_control: together, or one by one
// where the kernel does not take one of them.
static int enable_controllers(const char *directory)
{
    char path[4096 + 64], names[1024], all[2048] = "";

    snprintf(path, sizeof path, "%.4000s/cgroup.controllers", directory);
    long got = read_file(path, names, sizeof names - 1);
    if (got < 0)
        return got;
    names[got] = '\0';
    char *rest, *to = all;
    for (char *name = strtok_r(names, " \n", &rest); name; name = strtok_r(NULL, " \n", &rest))
        to += sprintf(to, "+%s ", name);
    snprintf(path, sizeof path, "%.4000s/cgroup.subtree_control", directory);
    if (to == all || write_file(path, all, to - all) == 0)
        return 0;
    for (char *name = strtok_r(all, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
        write_file(path, name, strlen(name));
    return 0;
}

static long bpf(int command, union bpf_attr *attr)
{
    return CORE_RETRY(syscall(SYS_bpf, command, attr, sizeof *attr));
}

// ALLOW_MULTI: programs of cgroups above go on deciding beside ours, and a manager may add its own below.
static int device_filter(const char *directory, const char *program, size_t size)
{
    union bpf_attr load = {
        .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
        .insns = (uintptr_t)program,
        .insn_cnt = size / sizeof(struct bpf_insn),
        .license = (uintptr_t) "Apache-2.0",
    };
    int cgroup = CORE_RETRY(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (cgroup < 0)
        return cgroup;
    long filter = bpf(BPF_PROG_LOAD, &load);
    if (filter < 0) {
        close(cgroup);
        return filter;
    }
    union bpf_attr attach = {
        .target_fd = cgroup,
        .attach_bpf_fd = filter,
        .attach_type = BPF_CGROUP_DEVICE,
        .attach_flags = BPF_F_ALLOW_MULTI,
    };
    long result = bpf(BPF_PROG_ATTACH, &attach);
    close(filter);
    close(cgroup);
    return result;
}

static int keep(int fd, int *opened, unsigned *count)
{
    if (fd < 0)
        return fd;
    if (*count == MAX_PASSED) {
        close(fd);
        return -E2BIG;
    }
    opened[(*count)++] = fd;
    return 0;
}

static int missing_is_fine(int result)
{
    return result == -ENOENT ? 0 : result;
}

static int run_one(const struct op *op, int pid, int *opened, unsigned *count)
{
    int result;

    switch (op->kind) {
    case OP_host_mkdir:
        result = CORE_RETRY(mkdir(op_str(op, 0), 0755));
        return result == -EEXIST ? 0 : result;
    case OP_host_write:
        return write_file(op_str(op, 0), op_str(op, 1), op_len(op, 1));
    case OP_host_copy_parent:
        return copy_parent(op_str(op, 0), op_str(op, 1));
    case OP_host_enable_controllers:
        return enable_controllers(op_str(op, 0));
    case OP_host_open_cgroup:
        return keep(CORE_RETRY(open(op_str(op, 0), O_WRONLY | O_CLOEXEC | O_NOFOLLOW)), opened, count);
    case OP_host_write_present:
        return missing_is_fine(write_file(op_str(op, 0), op_str(op, 1), op_len(op, 1)));
    case OP_host_chown:
        return missing_is_fine(CORE_RETRY(lchown(op_str(op, 0), op_int(op, 1), op_int(op, 2))));
    case OP_host_tree:
        result = tare_host_tree(op_str(op, 0), op_str(op, 1), op_str(op, 2), op_str(op, 3), op_int(op, 4));
        return keep(result, opened, count);
    case OP_host_net_device:
        return tare_move_net_device(pid, op_str(op, 0), op_str(op, 1));
    case OP_host_device_filter:
        return device_filter(op_str(op, 0), op_str(op, 1), op_len(op, 1));
    default:
        return -ENOSYS;
    }
}

int tare_rename(int directory, const char *from, const char *to, unsigned flags)
{
    int at = directory < 0 ? AT_FDCWD : directory;

    return CORE_RETRY(syscall(SYS_renameat2, at, from, at, to, flags));
}

int tare_host_run(const char *record, size_t size, int pid, int *failed, int *opened, unsigned *count)
{
    size_t cursor = 0;
    struct op op;

    *failed = -1;
    if (record_check(record, size) < 0)
        return -EBADMSG;
    while (record_next(record, &cursor, &op)) {
        int result = run_one(&op, pid, opened, count);
        if (result < 0) {
            *failed = op.index;
            return result;
        }
    }
    return 0;
}
