#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

void see_ids(const char *key, IGNORED const char *argument)
{
    uid_t user[3];
    gid_t group[3];
    gid_t groups[64];
    if (getresuid(&user[0], &user[1], &user[2]) || getresgid(&group[0], &group[1], &group[2])) {
        json_errno(key);
        return;
    }
    json_open(key, '{');
    json_open("uid", '[');
    for (int i = 0; i < 3; i++)
        json_number(NULL, user[i]);
    json_close(']');
    json_open("gid", '[');
    for (int i = 0; i < 3; i++)
        json_number(NULL, group[i]);
    json_close(']');
    json_open("groups", '[');
    int count = getgroups(64, groups);
    for (int i = 0; i < count; i++)
        json_number(NULL, groups[i]);
    json_close(']');
    json_close('}');
}

void see_umask(const char *key, IGNORED const char *argument)
{
    mode_t mask = umask(0);
    umask(mask);
    json_number(key, mask);
}

static const struct {
    const char *name;
    int number;
} LIMITS[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},         {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},     {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},       {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},     {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_STACK", RLIMIT_STACK},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
};

void see_rlimits(const char *key, IGNORED const char *argument)
{
    json_open(key, '{');
    for (size_t i = 0; i < sizeof LIMITS / sizeof LIMITS[0]; i++) {
        struct rlimit limit;
        if (getrlimit(LIMITS[i].number, &limit))
            continue;
        json_open(LIMITS[i].name, '[');
        json_natural(NULL, limit.rlim_cur);
        json_natural(NULL, limit.rlim_max);
        json_close(']');
    }
    json_close('}');
}

/* Five masks; bit N is capability number N. */
void see_capabilities(const char *key, IGNORED const char *argument)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    unsigned long long bounding = 0, ambient = 0;
    if (syscall(SYS_capget, &header, data)) {
        json_errno(key);
        return;
    }
    for (int cap = 0; cap < 64; cap++) {
        if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
            bounding |= 1ULL << cap;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
            ambient |= 1ULL << cap;
    }
    json_open(key, '{');
    json_natural("bounding", bounding);
    json_natural("ambient", ambient);
    json_natural("effective", data[0].effective | (unsigned long long)data[1].effective << 32);
    json_natural("permitted", data[0].permitted | (unsigned long long)data[1].permitted << 32);
    json_natural("inheritable", data[0].inheritable | (unsigned long long)data[1].inheritable << 32);
    json_close('}');
}

void see_no_new_privs(const char *key, IGNORED const char *argument)
{
    json_truth(key, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

void see_seccomp(const char *key, IGNORED const char *argument)
{
    json_number(key, prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
}

void see_oom(const char *key, IGNORED const char *argument)
{
    FILE *file = fopen("/proc/self/oom_score_adj", "re");
    int score;
    if (!file || fscanf(file, "%d", &score) != 1)
        json_errno(key);
    else
        json_number(key, score);
    if (file)
        fclose(file);
}

void see_priority(const char *key, IGNORED const char *argument)
{
    json_open(key, '{');
    json_number("nice", getpriority(PRIO_PROCESS, 0));
    json_number("scheduler", syscall(SYS_sched_getscheduler, 0));
    json_number("io", syscall(SYS_ioprio_get, 1, 0));
    json_close('}');
}
