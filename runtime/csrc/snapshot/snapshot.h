// The one-file command: an interpreter that has imported everything, written to disk as a program.
//
// `main` (main.c) is the program that gets ready: it starts the interpreter, runs a script that imports the
// runtime's modules, and calls write_snapshot. The file made is an ordinary static executable whose segments
// are that process's memory and whose entry point is `resume` (resume.c): a command starts where the other
// process stopped, with nothing left to import.

#ifndef TARE_SNAPSHOT_H
#define TARE_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

// What `resume` needs and only the process that gets ready knows. Written by prepare_resume.
int prepare_resume(void *entry_function);

// Write the memory of this process to `path` (mode 0755). 0, or -1 with a message on stderr.
int write_snapshot(const char *path);

// Entry point of the file made.
void resume_entry(void);

#endif
