// Writes records for tests, honest or not: the bytes of ops.h by hand, so that a test checks the format and
// not an encoder against its own decoder.
#pragma once

#include <stdint.h>
#include <string.h>

#include "record/record.h"

struct builder {
    _Alignas(8) char bytes[4096];
    size_t at;      // where the next operation goes
    size_t strings; // where the next string goes: behind the room kept for operations
    uint32_t nops;
};

enum { ROOM_FOR_OPS = 2048 };

static inline void builder_start(struct builder *b)
{
    memset(b, 0, sizeof *b);
    b->at = sizeof(struct record_header);
    b->strings = ROOM_FOR_OPS;
}

static inline uint64_t builder_string(struct builder *b, const char *text, size_t length)
{
    size_t offset = b->strings;

    memcpy(b->bytes + offset, text, length);
    b->strings += length + 1;
    return (uint64_t)length << 32 | offset;
}

static inline struct op_header *builder_op(struct builder *b, unsigned kind, unsigned argc,
                                           const uint64_t *args)
{
    struct op_header *head = (void *)(b->bytes + b->at);

    *head = (struct op_header){.kind = kind, .argc = argc, .index = b->nops++};
    if (argc)
        memcpy(head + 1, args, argc * sizeof *args);
    b->at += sizeof *head + argc * sizeof *args;
    return head;
}

static inline struct record_header *builder_end(struct builder *b)
{
    struct record_header *header = (void *)b->bytes;

    *header = (struct record_header){
        .magic = RECORD_MAGIC, .version = RECORD_VERSION, .size = b->strings, .nops = b->nops};
    return header;
}
