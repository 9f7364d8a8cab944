// placeholder
#include "core.h"
int tare_move_net_device(int pid, const char *name, const char *new_name)
{
    (void)pid;
    (void)name;
    (void)new_name;
    return -ENOSYS;
}
