// The modules that an interpreter must have inside it to start: its import system. The library's own tables
// hold a dozen more as prepared objects, a megabyte that is never used here.
//
// bootstrap.inc, written by the build from the library's sources, defines the two arrays of marshalled code.

#include <Python.h>

#include "bootstrap.inc"

static const struct _frozen bootstrap[] = {
    {"_frozen_importlib", importlib_bootstrap, (int)sizeof importlib_bootstrap, 0, NULL},
    {"_frozen_importlib_external", importlib_bootstrap_external, (int)sizeof importlib_bootstrap_external, 0,
     NULL},
    {0},
};
static const struct _frozen none[] = {{0}};

// Of the library's internal headers: pairs of names, ended by NULLs.
static const void *const no_aliases[2];

const struct _frozen *_PyImport_FrozenBootstrap = bootstrap, *_PyImport_FrozenStdlib = none,
                     *_PyImport_FrozenTest = none, *PyImport_FrozenModules;
const void *_PyImport_FrozenAliases = no_aliases;

void _Py_Deepfreeze_Fini(void);
int _Py_Deepfreeze_Init(void);

void _Py_Deepfreeze_Fini(void)
{
}

int _Py_Deepfreeze_Init(void)
{
    return 0;
}
