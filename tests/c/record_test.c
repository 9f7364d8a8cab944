// The decoder of op records: what fits ops.h is read back exactly, anything else is refused whole.
// sources: runtime/csrc/record/record.c runtime/csrc/init/bytes.c

#include "init/init.h"
#include <stdlib.h>

#include "check.h"
#include "record_builder.h"

static struct builder b;

// Checks a copy that ends where the record ends, so that a read past it is seen by the sanitizer.
static int verdict(size_t size)
{
    char *copy = aligned_alloc(8, (size + 7) & ~(size_t)7);
    memcpy(copy, b.bytes, size);
    char *exact = realloc(copy, size ? size : 1);
    int result = record_check(exact, size);
    free(exact);
    return result;
}

static void good_record(void)
{
    builder_start(&b);
    builder_op(&b, OP_setsid, 0, NULL);
    builder_op(&b, OP_mknod, 6,
               (uint64_t[]){builder_string(&b, "dev/null", 8), 0020666, 1, 3, (uint64_t)-1, 0});
    builder_op(&b, OP_exec, 2,
               (uint64_t[]){builder_string(&b, "sh\0-c\0true", 10), builder_string(&b, "", 0)});
    builder_end(&b);
}

static void test_an_honest_record_is_read_back_as_written(void)
{
    struct op op;
    size_t cursor = 0;
    char *vector[8];

    good_record();
    CHECK_INT(verdict(b.strings), 0);
    CHECK(record_next(b.bytes, &cursor, &op));
    CHECK_INT(op.kind, OP_setsid);
    CHECK(record_next(b.bytes, &cursor, &op));
    CHECK_STR(op_name(op.kind), "mknod");
    CHECK_INT(op.index, 1);
    CHECK_STR(op_str(&op, 0), "dev/null");
    CHECK_INT(op_int(&op, 1), 0020666);
    CHECK_INT(op_int(&op, 4), -1);
    CHECK(record_next(b.bytes, &cursor, &op));
    CHECK_INT(list_to_vector(&op, 0, vector, 8), 3);
    CHECK_STR(vector[0], "sh");
    CHECK_STR(vector[2], "true");
    CHECK(vector[3] == NULL);
    CHECK_INT(list_to_vector(&op, 0, vector, 3), -E2BIG);
    CHECK_INT(list_to_vector(&op, 1, vector, 8), 0);
    CHECK(!record_next(b.bytes, &cursor, &op));
}

static void test_every_shorter_record_is_refused(void)
{
    good_record();
    size_t whole = b.strings;
    for (size_t size = 0; size < whole; size++) {
        CHECK_INT(verdict(size), -EBADMSG);
        ((struct record_header *)b.bytes)->size = size; // and when the header agrees with the cut
        CHECK(size < sizeof(struct record_header) || verdict(size) == -EBADMSG);
        builder_end(&b);
    }
}

static void test_a_header_that_lies_is_refused(void)
{
    good_record();
    struct record_header *header = builder_end(&b), good = *header;

    header->magic ^= 1;
    CHECK_INT(verdict(b.strings), -EBADMSG);
    *header = good;
    header->version++;
    CHECK_INT(verdict(b.strings), -EBADMSG);
    *header = good;
    header->size++;
    CHECK_INT(verdict(b.strings), -EBADMSG);
    *header = good;
    header->nops = UINT32_MAX; // runs into the strings, which are no operations
    CHECK_INT(verdict(b.strings), -EBADMSG);
    CHECK_INT(record_check((char *)b.bytes + 1, b.strings - 1), -EBADMSG);
}

// One operation with the arguments given: a string that is fine, and one of each way not to be.
static int verdict_of_string(unsigned kind, uint64_t arg)
{
    builder_start(&b);
    builder_string(&b, "ab\0cd", 5);
    builder_op(&b, kind, 1, &arg);
    builder_end(&b);
    return verdict(b.strings);
}

static void test_a_string_lies_inside_the_record_and_ends_in_nul(void)
{
    uint64_t one = 1, start = ROOM_FOR_OPS, end = ROOM_FOR_OPS + 6;

    CHECK_INT(verdict_of_string(OP_chdir, 2 * one << 32 | start), 0);
    CHECK_INT(verdict_of_string(OP_chdir, 1 * one << 32 | start), -EBADMSG); // no NUL behind it
    CHECK_INT(verdict_of_string(OP_chdir, 5 * one << 32 | start), -EBADMSG); // a NUL inside
    CHECK_INT(verdict_of_string(OP_chdir, 6 * one << 32 | start), -EBADMSG); // its NUL is outside
    CHECK_INT(verdict_of_string(OP_chdir, 0 * one << 32 | end), -EBADMSG);   // starts at the end
    CHECK_INT(verdict_of_string(OP_chdir, 0 * one << 32 | 0), -EBADMSG);     // in the header
    CHECK_INT(verdict_of_string(OP_chdir, UINT32_MAX * one << 32 | start), -EBADMSG);
    CHECK_INT(verdict_of_string(OP_chdir, UINT32_MAX * one << 32 | UINT32_MAX), -EBADMSG);
}

static void test_an_operation_must_be_known_and_have_its_arguments(void)
{
    uint64_t args[OP_MAX_ARGS + 1] = {0};

    for (unsigned kind = 0; kind < 70000; kind++) {
        builder_start(&b);
        struct op_header *head = builder_op(&b, kind, 0, NULL);
        builder_end(&b);
        int known = head->kind < OP_LIMIT && strcmp(op_name(head->kind), "?") != 0;
        if (!known)
            CHECK_INT(verdict(b.strings), -EBADMSG);
        CHECK(head->kind != 0 || !known);
    }
    for (unsigned argc = 0; argc <= OP_MAX_ARGS + 1; argc++) {
        builder_start(&b);
        builder_op(&b, OP_rlimit, argc, args);
        builder_end(&b);
        CHECK_INT(verdict(b.strings), argc == 3 ? 0 : -EBADMSG);
    }
}

static void test_the_table_for_the_encoder_names_each_operation_once(void)
{
    const char *table = op_table();
    int entries = 0;

    for (unsigned kind = 0; kind < OP_LIMIT; kind++) {
        char entry[64];
        if (!strcmp(op_name(kind), "?"))
            continue;
        snprintf(entry, sizeof entry, "%s %u ", op_name(kind), kind);
        const char *found = strstr(table, entry);
        CHECK(found != NULL);
        entries++;
    }
    for (const char *at = table; (at = strchr(at, ';')); at++)
        entries--;
    CHECK_INT(entries, 0);
}

int main(void)
{
    test_an_honest_record_is_read_back_as_written();
    test_every_shorter_record_is_refused();
    test_a_header_that_lies_is_refused();
    test_a_string_lies_inside_the_record_and_ends_in_nul();
    test_an_operation_must_be_known_and_have_its_arguments();
    test_the_table_for_the_encoder_names_each_operation_once();
    return check_failures != 0;
}
