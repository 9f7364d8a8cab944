#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe.h"

int probe_argc;
char **probe_argv;
char **probe_environ;

static const struct {
    const char *name;
    observer *see;
} OBSERVERS[] = {
    {"ids", see_ids},
    {"umask", see_umask},
    {"rlimits", see_rlimits},
    {"capabilities", see_capabilities},
    {"noNewPrivs", see_no_new_privs},
    {"seccomp", see_seccomp},
    {"oom", see_oom},
    {"priority", see_priority},
    {"args", see_args},
    {"env", see_env},
    {"cwd", see_cwd},
    {"fds", see_fds},
    {"namespaces", see_namespaces},
    {"tty", see_tty},
    {"pids", see_pids},
    {"uts", see_uts},
    {"read", see_read},
    {"stat", see_stat},
    {"list", see_list},
    {"readlink", see_readlink},
    {"statfs", see_statfs},
    {"lines", see_lines},
    {"write", try_write},
    {"create", try_create},
    {"mkdir", try_mkdir},
    {"unlink", try_unlink},
    {"open", try_open},
    {"call", try_call},
    {"say", try_say},
    {"echo", try_echo},
};

/* Signals are blocked before the facts go out: who has read them may send one at once. A blocked signal
 * reaches even the first process of a pid namespace, which ignores unhandled ones otherwise. */
static void block_signals(sigset_t *set)
{
    sigfillset(set);
    sigdelset(set, SIGCHLD);
    sigprocmask(SIG_BLOCK, set, NULL);
}

static int hold(const sigset_t *set)
{
    siginfo_t info;
    while (sigwaitinfo(set, &info) < 0)
        ;
    return 100 + info.si_signo;
}

static bool observe(const char *word)
{
    size_t length = strcspn(word, "=");
    const char *argument = word[length] ? word + length + 1 : "";
    for (size_t i = 0; i < sizeof OBSERVERS / sizeof OBSERVERS[0]; i++) {
        if (strlen(OBSERVERS[i].name) != length || strncmp(OBSERVERS[i].name, word, length) != 0)
            continue;
        OBSERVERS[i].see(word, argument);
        return true;
    }
    return false;
}

int main(int argc, char **argv, char **environ_in)
{
    sigset_t set;
    int status = 0;
    bool holds = false;
    probe_argc = argc;
    probe_argv = argv;
    probe_environ = environ_in;
    if (argc > 1 && strncmp(argv[1], "out=", 4) == 0 && !freopen(argv[1] + 4, "ae", stdout))
        return 98;
    json_open(NULL, '{');
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            break;
        if (i == 1 && strncmp(argv[i], "out=", 4) == 0)
            continue;
        if (strncmp(argv[i], "exit=", 5) == 0)
            status = atoi(argv[i] + 5);
        else if (strcmp(argv[i], "hold") == 0)
            holds = true;
        else if (!observe(argv[i])) {
            fprintf(stderr, "probe: unknown word: %s\n", argv[i]);
            return 99;
        }
    }
    json_close('}');
    if (holds)
        block_signals(&set);
    json_flush();
    return holds ? hold(&set) : status;
}
