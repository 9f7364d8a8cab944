// The memory of this process as an executable file: a segment for each mapping, from /proc/self/maps.

#include "snapshot.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, MAX_SEGMENTS = 32 };

static int fail(const char *what)
{
    fprintf(stderr, "snapshot: %s: %s\n", what, strerror(errno));
    return -1;
}

// Reads the mappings that make up the program. The stack, and what the kernel maps, are each process's own;
// any other mapping would be lost, and is refused.
static int read_mappings(Elf64_Phdr *segments)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], mode[8], name[256];
    uint64_t start, end;
    int count = 0;

    if (!maps)
        return fail("/proc/self/maps");
    while (fgets(line, sizeof line, maps)) {
        name[0] = 0;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %255s", &start, &end, mode, name) < 3)
            continue;
        if (!strcmp(name, "[stack]") || !strncmp(name, "[v", 2)) // [vdso], [vvar], [vsyscall]
            continue;
        if (start >= UINT64_C(0x7f0000000000) || count == MAX_SEGMENTS) {
            fprintf(stderr, "snapshot: a mapping that cannot be kept: %s", line);
            fclose(maps);
            return -1;
        }
        segments[count++] = (Elf64_Phdr){
            .p_type = PT_LOAD,
            .p_flags =
                (mode[0] == 'r' ? PF_R : 0) | (mode[1] == 'w' ? PF_W : 0) | (mode[2] == 'x' ? PF_X : 0),
            .p_vaddr = start,
            .p_paddr = start,
            .p_filesz = end - start,
            .p_memsz = end - start,
            .p_align = PAGE,
        };
    }
    fclose(maps);
    return count;
}

static int is_zero(const char *page)
{
    static const char zeros[PAGE];

    return memcmp(page, zeros, PAGE) == 0;
}

// Pages of zeros are left out as holes of the file; those at the end need no place in it at all.
static int write_segment(int fd, const Elf64_Phdr *segment)
{
    const char *memory = (const char *)segment->p_vaddr;

    for (uint64_t at = 0; at < segment->p_filesz; at += PAGE) {
        if (is_zero(memory + at))
            continue;
        if (pwrite(fd, memory + at, PAGE, (off_t)(segment->p_offset + at)) != PAGE)
            return fail("write");
    }
    return 0;
}

int write_snapshot(const char *path)
{
    Elf64_Phdr segments[MAX_SEGMENTS + 1];
    int count = read_mappings(segments);

    if (count <= 0)
        return -1;
    Elf64_Phdr *last = &segments[count - 1];
    while (last->p_filesz && is_zero((const char *)last->p_vaddr + last->p_filesz - PAGE))
        last->p_filesz -= PAGE;
    uint64_t end = PAGE;
    for (int i = 0; i < count; i++) {
        segments[i].p_offset = end;
        end += segments[i].p_filesz;
    }
    segments[count] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W, .p_align = 16};
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT, ELFOSABI_NONE},
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = (uint64_t)(uintptr_t)resume_entry,
        .e_phoff = sizeof header,
        .e_ehsize = sizeof header,
        .e_phentsize = sizeof *segments,
        .e_phnum = (uint16_t)(count + 1),
        .e_shentsize = sizeof(Elf64_Shdr),
    };
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    if (fd < 0)
        return fail(path);
    size_t table = (size_t)(count + 1) * sizeof *segments;
    if (ftruncate(fd, (off_t)end) < 0 || pwrite(fd, &header, sizeof header, 0) != sizeof header ||
        pwrite(fd, segments, table, sizeof header) != (ssize_t)table)
        return fail(path);
    for (int i = 0; i < count; i++)
        if (write_segment(fd, &segments[i]) < 0)
            return -1;
    return close(fd) < 0 ? fail(path) : 0;
}
