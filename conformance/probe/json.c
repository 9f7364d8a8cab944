#include <errno.h>
#include <stdio.h>

#include "probe.h"

static bool comma;

static void quoted(const char *text, size_t length)
{
    putchar('"');
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '"' || byte == '\\')
            printf("\\%c", byte);
        else if (byte < 0x20)
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
    putchar('"');
}

static size_t length_of(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

static void begin(const char *key)
{
    if (comma)
        putchar(',');
    comma = true;
    if (!key)
        return;
    quoted(key, length_of(key));
    putchar(':');
}

void json_open(const char *key, char bracket)
{
    begin(key);
    putchar(bracket);
    comma = false;
}

void json_close(char bracket)
{
    putchar(bracket);
    comma = true;
}

void json_bytes(const char *key, const char *value, size_t length)
{
    begin(key);
    quoted(value, length);
}

void json_text(const char *key, const char *value)
{
    json_bytes(key, value, length_of(value));
}

void json_number(const char *key, long long value)
{
    begin(key);
    printf("%lld", value);
}

void json_natural(const char *key, unsigned long long value)
{
    begin(key);
    printf("%llu", value);
}

void json_truth(const char *key, bool value)
{
    begin(key);
    fputs(value ? "true" : "false", stdout);
}

/* The shape of every observation that failed: {"errno": N}. */
void json_errno(const char *key)
{
    int number = errno;
    json_open(key, '{');
    json_number("errno", number);
    json_close('}');
}

void json_flush(void)
{
    putchar('\n');
    fflush(stdout);
    comma = false;
}
