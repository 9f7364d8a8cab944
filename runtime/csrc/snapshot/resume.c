// Where the one-file command begins: the memory is that of the process which was written to disk; what
// belongs to a process and not to its memory is made anew here.

#define PY_SSIZE_T_CLEAN
#include "snapshot.h"
#include "standard_streams.h"
#include <Python.h>
#include <asm/prctl.h>
#include <elf.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Of glibc, static. The pointers lead into a vdso that lies elsewhere in each process; where they are NULL
// the system call is made.
extern void *_dl_vdso_clock_gettime64, *_dl_vdso_gettimeofday, *_dl_vdso_time, *_dl_vdso_getcpu,
    *_dl_vdso_clock_getres_time64;
extern void *__curbrk;

enum {
    CANARY = 0x28,    // where the thread's block holds the stack protector's word (System V ABI, gcc)
    GUARD = 0x30,     // and the one that hides saved pointers (glibc, PTR_MANGLE)
    ID_SEARCH = 4096, // glibc's thread id lies within this many bytes of the block
};

static uintptr_t thread_block; // what fs pointed to
static size_t thread_id_at;    // offset of the thread's id in it
static struct sigaction interrupt_action;
static PyObject *command, *environment;

static int forget_vdso(void)
{
    void **pointers[] = {&_dl_vdso_clock_gettime64, &_dl_vdso_gettimeofday, &_dl_vdso_time, &_dl_vdso_getcpu,
                         &_dl_vdso_clock_getres_time64};

    // They stand among what is read-only once a program has started.
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++) {
        void *page = (void *)((uintptr_t)pointers[i] & ~4095UL);
        if (mprotect(page, 4096, PROT_READ | PROT_WRITE) < 0)
            return -1;
        *pointers[i] = NULL;
    }
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++)
        if (mprotect((void *)((uintptr_t)pointers[i] & ~4095UL), 4096, PROT_READ) < 0)
            return -1;
    return 0;
}

static int find_thread_id(void)
{
    int id = (int)syscall(SYS_gettid);

    for (thread_id_at = 0x40; thread_id_at < ID_SEARCH; thread_id_at += 4)
        if (*(int *)(thread_block + thread_id_at) == id) // NOLINT: the block is glibc's
            return 0;
    return -1;
}

int prepare_resume(void *entry_function)
{
    command = entry_function;
    PyObject *posix = PyImport_ImportModule("posix");
    environment = posix ? PyObject_GetAttrString(posix, "environ") : NULL;
    if (!environment || syscall(SYS_arch_prctl, ARCH_GET_FS, &thread_block) < 0 || find_thread_id() < 0 ||
        sigaction(SIGINT, NULL, &interrupt_action) < 0 || forget_vdso() < 0) {
        fprintf(stderr, "snapshot: this C library is not laid out as expected\n");
        return -1;
    }
    // Each process sets its own. What was hidden by the old guard are functions for exit(), which is not
    // called.
    *(int *)(thread_block + thread_id_at) = 0;
    *(uintptr_t *)(thread_block + GUARD) = 0;
    return 0;
}

// As the interpreter does when it starts.
static void set_signals(void)
{
    struct sigaction have;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (sigaction(SIGINT, NULL, &have) == 0 && have.sa_handler == SIG_DFL)
        sigaction(SIGINT, &interrupt_action, NULL);
}

static int renew_environment(char **entries)
{
    PyDict_Clear(environment);
    for (; *entries; entries++) {
        const char *equals = strchr(*entries, '=');
        if (!equals)
            continue;
        PyObject *name = PyBytes_FromStringAndSize(*entries, equals - *entries);
        PyObject *value = PyBytes_FromString(equals + 1);
        if (!name || !value || !PyDict_SetDefault(environment, name, value)) // the first of two counts
            return -1;
        Py_DECREF(name);
        Py_DECREF(value);
    }
    return 0;
}

static PyObject *arguments(int count, char **words)
{
    PyObject *list = PyList_New(count);

    for (int i = 0; list && i < count; i++) {
        PyObject *word = PyUnicode_DecodeFSDefault(words[i]);
        if (!word)
            return NULL;
        PyList_SET_ITEM(list, i, word);
    }
    return list;
}

static __attribute__((noreturn, used, no_stack_protector)) void resume(uintptr_t *stack)
{
    int argc = (int)stack[0];
    char **argv = (char **)(stack + 1), **envp = argv + argc + 1;
    Elf64_auxv_t *aux = (Elf64_auxv_t *)envp;

    syscall(SYS_arch_prctl, ARCH_SET_FS, thread_block);
    while (*(char **)aux)
        aux = (Elf64_auxv_t *)((char **)aux + 1);
    for (aux = (Elf64_auxv_t *)((char **)aux + 1); aux->a_type != AT_NULL; aux++)
        if (aux->a_type == AT_RANDOM) { // 16 bytes of the kernel's; glibc keeps the canary's first byte zero
            *(uintptr_t *)(thread_block + CANARY) = ((uintptr_t *)aux->a_un.a_val)[0] & ~(uintptr_t)0xff;
            *(uintptr_t *)(thread_block + GUARD) = ((uintptr_t *)aux->a_un.a_val)[1];
        }
    *(int *)(thread_block + thread_id_at) = (int)syscall(SYS_gettid);
    __curbrk = (void *)syscall(SYS_brk, 0);
    environ = envp;
    if (fill_standard_streams() < 0)
        _exit(1);
    set_signals();

    PyObject *words = arguments(argc, argv);
    if (!words || renew_environment(envp) < 0 || PySys_SetObject("argv", words) < 0) {
        PyErr_Print();
        _exit(1);
    }
    PyObject *code = PyObject_CallOneArg(command, words);
    if (!code)
        PyErr_Print();
    _exit(code ? (int)PyLong_AsLong(code) : 1);
}

// The kernel starts a program with its arguments on the stack, and no return address.
__asm__(".text\n"
        ".globl resume_entry\n"
        ".type resume_entry, @function\n"
        "resume_entry:\n"
        "    xorl %ebp, %ebp\n"
        "    movq %rsp, %rdi\n"
        "    andq $-16, %rsp\n"
        "    call resume\n"
        "    hlt\n");
