// Files inside the one-file command: the static init, and the packed modules that only some commands import.
// INIT, STORE: their paths, given by the build.
	.section .rodata
	.globl tare_embedded_init, tare_embedded_init_end, tare_store, tare_store_end
tare_embedded_init:
	.incbin INIT
tare_embedded_init_end:
tare_store:
	.incbin STORE
tare_store_end:
	.section .note.GNU-stack, "", @progbits
