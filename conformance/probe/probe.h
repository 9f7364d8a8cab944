/* The observer that the suite runs as a container's program: it prints what it sees, as one JSON object.
 *
 * Each word of its command line is an observation, NAME or NAME=ARGUMENT, and becomes one member of the
 * object under that word. It judges nothing: what is right is the cases' business.
 */
#ifndef TARE_PROBE_H
#define TARE_PROBE_H

#include <stdbool.h>
#include <stddef.h>

/* Observations share one signature; some need no argument. */
#define IGNORED __attribute__((unused))

/* json.c: one object to standard output, commas and escapes taken care of */
void json_open(const char *key, char bracket);
void json_close(char bracket);
void json_text(const char *key, const char *value);
void json_bytes(const char *key, const char *value, size_t length);
void json_number(const char *key, long long value);
void json_natural(const char *key, unsigned long long value);
void json_truth(const char *key, bool value);
void json_errno(const char *key);
void json_flush(void);

typedef void observer(const char *key, const char *argument);

/* identity.c */
observer see_ids, see_umask, see_rlimits, see_capabilities, see_no_new_privs, see_seccomp, see_oom,
    see_priority;

/* process.c */
observer see_args, see_env, see_cwd, see_fds, see_namespaces, see_tty, see_pids, see_uts;

/* files.c */
observer see_read, see_stat, see_list, see_readlink, see_statfs, see_lines;

/* trials.c */
observer try_write, try_create, try_mkdir, try_unlink, try_open, try_call, try_say, try_echo;

/* main.c */
extern int probe_argc;
extern char **probe_argv;
extern char **probe_environ;

#endif
