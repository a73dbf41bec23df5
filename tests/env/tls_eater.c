/* Takes 64 bytes of the static thread-local storage that the loader keeps in reserve for dlopen. Opened many times, as copies. */
char *tls_eater(void);

static _Thread_local char eaten[64] __attribute__((tls_model("initial-exec"), aligned(64)));

char *tls_eater(void) { return eaten; }
