// Gets an interpreter ready and writes it to disk: SEED SCRIPT MODULES LIBRARY OUTPUT
//
// SCRIPT gets MODULES as sys.argv[0], and leaves the function of the command, argv -> exit code, in its
// global `command`. LIBRARY is the standard library's folder: the interpreter starts with a codec from there.

#define PY_SSIZE_T_CLEAN
#include "snapshot.h"
#include <Python.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <unistd.h>

enum { HASH_SEED = 0x7a12e }; // any: two builds of the same sources shall be the same file

// The interpreter's small objects lie in arenas, one after the other behind the heap: what is to be written
// to disk is then two ranges of addresses, of which the second ends with what is not used yet.
static char *next_arena = (char *)0x40000000;
static int is_resumed;

static void *arena(void *context, size_t size)
{
    int fixed = is_resumed ? 0 : MAP_FIXED_NOREPLACE;
    void *wanted = is_resumed ? NULL : next_arena;
    void *memory = mmap(wanted, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);

    (void)context;
    if (memory == MAP_FAILED)
        return NULL;
    if (!is_resumed)
        next_arena += size;
    return memory;
}

static void free_arena(void *context, void *memory, size_t size)
{
    (void)context;
    munmap(memory, size);
}

static void fail_if(PyStatus status)
{
    if (PyStatus_Exception(status))
        Py_ExitStatusException(status);
}

static void start_interpreter(char *modules, char *library)
{
    PyPreConfig before;
    PyConfig config;
    PyObjectArenaAllocator arenas = {NULL, arena, free_arena};

    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    fail_if(Py_PreInitialize(&before));
    PyObject_SetArenaAllocator(&arenas);
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.install_signal_handlers = 1;
    config.use_hash_seed = 1;
    config.hash_seed = HASH_SEED;
    config.optimization_level = 2;
    config.code_debug_ranges = 0;
    config.pathconfig_warnings = 0;
    config.buffered_stdio = 1;
    config.write_bytecode = 0;
    config.module_search_paths_set = 1;
    wchar_t *wide = Py_DecodeLocale(library, NULL);
    fail_if(PyWideStringList_Append(&config.module_search_paths, wide));
    PyMem_RawFree(wide);
    fail_if(PyConfig_SetBytesString(&config, &config.program_name, "/tare-runtime"));
    fail_if(PyConfig_SetBytesString(&config, &config.executable, ""));
    config.parse_argv = 0;
    fail_if(PyConfig_SetBytesArgv(&config, 1, &modules));
    fail_if(Py_InitializeFromConfig(&config));
    PyConfig_Clear(&config);
}

extern const char tare_store[], tare_store_end[]; // contents.S

static PyObject *run_script(const char *path)
{
    FILE *file = fopen(path, "r");
    PyObject *names = PyModule_GetDict(PyImport_AddModule("__main__"));
    PyObject *store =
        PyMemoryView_FromMemory((char *)(uintptr_t)tare_store, tare_store_end - tare_store, PyBUF_READ);

    if (!file || !store || PyDict_SetItemString(names, "store", store) < 0) {
        perror(path);
        return NULL;
    }
    PyObject *result = PyRun_FileEx(file, "snapshot", Py_file_input, names, names, 1);
    if (!result) {
        PyErr_Print();
        return NULL;
    }
    Py_DECREF(result);
    return PyDict_GetItemString(names, "command"); // borrowed, and kept by the module
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s SCRIPT MODULES LIBRARY OUTPUT\n", argv[0]);
        return 2;
    }
    // The heap must follow the program's own segments, as an executable file's segments do.
    int persona = personality(0xffffffff);
    if (!(persona & ADDR_NO_RANDOMIZE)) {
        personality((unsigned)persona | ADDR_NO_RANDOMIZE);
        execv("/proc/self/exe", argv);
        perror("exec without address randomisation");
        return 1;
    }
    mallopt(M_MMAP_MAX, 0);
    start_interpreter(argv[2], argv[3]);
    PyObject *command = run_script(argv[1]);
    if (!command)
        return 1;
    mallopt(M_MMAP_MAX, 65536); // glibc's default
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    is_resumed = 1;
    malloc_trim(0); // free pages are written as holes
    if (prepare_resume(command) < 0 || write_snapshot(argv[4]) < 0)
        return 1;
    _exit(0);
}
