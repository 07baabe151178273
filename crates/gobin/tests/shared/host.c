/* A C program that loads the library named by its argument, and calls into it. */
#include <dlfcn.h>
#include <stdio.h>

/* Thread-local words of its own: g's slot is not where it would be alone. */
static __thread long words[9];

int main(int argc, char **argv)
{
	void *library = dlopen(argv[argc - 1], RTLD_NOW);
	void (*enter)(void) = library ? (void (*)(void))dlsym(library, "Enter") : 0;

	if (!enter) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	words[argc] = 1;
	enter();
	return 0;
}
