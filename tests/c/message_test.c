// The words between the runtime and init, both sides of one socket pair, honest and not.
// sources: runtime/csrc/core/message.c runtime/csrc/init/message.c

#include "core/core.h"
#include "init/init.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "check.h"

struct init self;

static int runtime_end;
static struct tare_message got;

static void connect_both(void)
{
    int ends[2];

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    runtime_end = ends[0];
    self.sync = ends[1];
}

static void close_both(void)
{
    close(runtime_end);
    close(self.sync);
}

static void test_a_failure_arrives_with_its_operation_error_and_text(void)
{
    connect_both();
    CHECK_INT(send_message(MSG_FAIL, 17, -EPERM, "the source /x", -1), 0);
    CHECK_INT(tare_receive(runtime_end, &got), 1);
    CHECK_INT(got.type, MSG_FAIL);
    CHECK_INT(got.value, 17);
    CHECK_INT(got.error, -EPERM);
    CHECK_INT(got.length, strlen("the source /x"));
    CHECK_STR(got.text, "the source /x");
    CHECK_INT(got.fd, -1);
    close_both();
}

static void test_a_long_text_is_cut_on_both_sides_and_ended(void)
{
    static char text[4 * MSG_TEXT_MAX];

    memset(text, 'x', sizeof text - 1);
    connect_both();
    CHECK_INT(send_message(MSG_WARN, 0, 0, text, -1), 0);
    CHECK_INT(tare_receive(runtime_end, &got), 1);
    CHECK_INT(got.length, MSG_TEXT_MAX);
    CHECK_INT(strlen(got.text), MSG_TEXT_MAX);
    CHECK_INT(send(self.sync, text, sizeof text, 0), sizeof text); // what init would never send
    CHECK_INT(tare_receive(runtime_end, &got), 1);
    CHECK(strlen(got.text) < TARE_TEXT_MAX);
    close_both();
}

static void test_a_message_without_its_head_is_bad(void)
{
    connect_both();
    CHECK_INT(send(self.sync, "abc", 3, 0), 3);
    CHECK_INT(tare_receive(runtime_end, &got), -EBADMSG);
    close_both();
}

static void test_a_descriptor_comes_with_its_message_and_not_without(void)
{
    struct stat here, there;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    connect_both();
    CHECK_INT(send_message(MSG_CONSOLE, 0, 0, "/dev/pts/3", null), 0);
    CHECK_INT(send_message(MSG_READY, 0, 0, NULL, -1), 0);
    CHECK_INT(tare_receive(runtime_end, &got), 1);
    CHECK(got.fd >= 0 && got.fd != null);
    CHECK(fcntl(got.fd, F_GETFD) & FD_CLOEXEC);
    CHECK(!fstat(null, &here) && !fstat(got.fd, &there) && here.st_ino == there.st_ino);
    close(got.fd);
    CHECK_INT(tare_receive(runtime_end, &got), 1);
    CHECK_INT(got.fd, -1);
    CHECK_STR(got.text, "");
    close(null);
    close_both();
}

static void test_the_end_of_init_is_the_end_of_the_connection(void)
{
    connect_both();
    close(self.sync);
    CHECK_INT(tare_receive(runtime_end, &got), 0);
    CHECK_INT(got.type, 0);
    close(runtime_end);
}

static void test_init_goes_on_with_the_state_it_is_told(void)
{
    static char state[GO_TEXT_MAX + 1];

    connect_both();
    CHECK_INT(tare_go(runtime_end, "{\"id\":1}", 8, NULL, 0, 0), 0);
    CHECK_INT(await_go(), 0);
    CHECK_STR(self.state, "{\"id\":1}");
    memset(state, 's', GO_TEXT_MAX);
    int room = 4 * GO_TEXT_MAX;
    setsockopt(runtime_end, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    CHECK_INT(tare_go(runtime_end, state, GO_TEXT_MAX, NULL, 0, 0), 0);
    CHECK_INT(await_go(), 0);
    CHECK_INT(strlen(self.state), GO_TEXT_MAX);
    CHECK_INT(tare_go(runtime_end, state, GO_TEXT_MAX + 1, NULL, 0, 0), -EMSGSIZE);
    close_both();
}

static void test_init_stops_when_the_runtime_is_gone_or_says_something_else(void)
{
    connect_both();
    CHECK_INT(send(runtime_end, "", 1, 0), 1);
    CHECK_INT(await_go(), -EPIPE);
    struct message other = {.type = MSG_READY};
    CHECK_INT(send(runtime_end, &other, sizeof other, 0), sizeof other);
    CHECK_INT(await_go(), -EPIPE);
    close(runtime_end);
    CHECK_INT(await_go(), -EPIPE);
    CHECK_STR(self.detail, "the runtime went away");
    CHECK_INT(send_message(MSG_READY, 0, 0, NULL, -1), -EPIPE);
    close(self.sync);
}

static void test_the_gate_lets_one_through_and_a_missing_gate_is_told(void)
{
    char folder[] = "/tmp/tare-gate.XXXXXX", path[64];
    CHECK(mkdtemp(folder) != NULL);
    int directory = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

    CHECK_INT(tare_gate_connect(directory, "start.sock"), -ENOENT);
    int gate = tare_gate_listen(directory, "start.sock");
    CHECK(gate >= 0);
    CHECK_INT(tare_gate_listen(directory, "start.sock"), -EADDRINUSE);
    int client = tare_gate_connect(directory, "start.sock");
    CHECK(client >= 0);
    self.gate = gate;
    self.sync = dup(client); // something for do_gate to close
    CHECK_INT(tare_go(client, "state", 5, NULL, 0, 0), 0);
    CHECK_INT(do_gate(NULL), 0);
    CHECK_STR(self.state, "state");
    CHECK_INT(send_message(MSG_FAIL, 3, -ENOENT, "no such program", -1), 0);
    CHECK_INT(tare_receive(client, &got), 1);
    CHECK_STR(got.text, "no such program");
    close(self.sync);
    CHECK_INT(tare_receive(client, &got), 0);
    close(client);
    CHECK_INT(tare_gate_connect(directory, "start.sock"), -ECONNREFUSED);
    close(directory);
    snprintf(path, sizeof path, "%s/start.sock", folder);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    test_a_failure_arrives_with_its_operation_error_and_text();
    test_a_long_text_is_cut_on_both_sides_and_ended();
    test_a_message_without_its_head_is_bad();
    test_a_descriptor_comes_with_its_message_and_not_without();
    test_the_end_of_init_is_the_end_of_the_connection();
    test_init_goes_on_with_the_state_it_is_told();
    test_init_stops_when_the_runtime_is_gone_or_says_something_else();
    test_the_gate_lets_one_through_and_a_missing_gate_is_told();
    return check_failures != 0;
}
