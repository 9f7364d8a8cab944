// When each operation began and ended, for --trace. Without it nothing here runs.

#include "init.h"
#include <time.h>

enum { ROOM = MSG_TEXT_MAX / sizeof(struct op_times) };

static struct op_times times[ROOM];
static unsigned count;

static uint64_t now(void)
{
    struct timespec moment;

    clock_gettime(CLOCK_REALTIME, &moment);
    return moment.tv_sec * 1000000000ULL + moment.tv_nsec;
}

void send_times(void)
{
    if (count)
        send_data(MSG_TIMES, count, 0, times, count * sizeof *times, -1);
    count = 0;
}

// What is held is sent before stage one ends, before the runtime stops listening, and before a filter of
// system calls may forbid it. Behind that filter nothing is measured but the last begin, which tells.
void times_before(const struct op *op)
{
    uint64_t begin = now();

    if (op->kind == OP_clone || op->kind == OP_ready || op->kind == OP_seccomp || op->kind == OP_exec) {
        times[count++] = (struct op_times){op->index, begin, 0};
        send_times();
        if (op->kind == OP_seccomp)
            self.timed = 0;
    } else if (count == ROOM - 1) {
        send_times();
    }
    times[count] = (struct op_times){op->index, begin, 0};
}

void times_after(const struct op *op)
{
    times[count].end = now();
    count += times[count].index == op->index;
}
