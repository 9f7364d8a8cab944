// The extension modules in the one-file command: of those that the interpreter's library has, what a runtime
// and the command line's library use. This stands in the place of that library's own table.

#include <Python.h>

// clang-format off
#define EACH(DO) \
    DO(_abc) DO(_bisect) DO(_blake2) DO(_cffi_backend) DO(_codecs) DO(_collections) DO(_datetime) \
    DO(_functools) DO(_heapq) DO(_io) DO(_locale) DO(_opcode) DO(_operator) DO(_posixsubprocess) \
    DO(_random) DO(_sha256) DO(_sha512) DO(_signal) DO(_socket) DO(_sre) DO(_stat) DO(_struct) \
    DO(_symtable) DO(_thread) DO(_tracemalloc) DO(_weakref) DO(array) DO(atexit) DO(binascii) DO(errno) \
    DO(faulthandler) DO(fcntl) DO(grp) DO(itertools) DO(math) DO(posix) DO(pwd) DO(select) DO(syslog) \
    DO(time) DO(zlib)
// clang-format on

#define DECLARE(name) PyMODINIT_FUNC PyInit_##name(void);
#define ENTRY(name) {#name, PyInit_##name},

EACH(DECLARE)
DECLARE(_imp)
DECLARE(_ast)
DECLARE(_tokenize)
DECLARE(gc)
DECLARE(_string)
DECLARE(_core)
DECLARE(_libseccomp)
DECLARE(_speedups)
PyMODINIT_FUNC PyMarshal_Init(void);
PyMODINIT_FUNC _PyWarnings_Init(void);

struct _inittab _PyImport_Inittab[] = {
    EACH(ENTRY){"marshal", PyMarshal_Init},
    ENTRY(_imp) ENTRY(_ast) ENTRY(_tokenize){"builtins", NULL},
    {"sys", NULL},
    ENTRY(gc){"_warnings", _PyWarnings_Init},
    ENTRY(_string){"tare_runtime._core", PyInit__core},
    {"tare_runtime._libseccomp", PyInit__libseccomp},
    {"simplejson._speedups", PyInit__speedups},
    {NULL, NULL},
};
