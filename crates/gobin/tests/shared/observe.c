/* What C code, called from Go, sees of its thread: the thread pointer and the thread's id. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

void observe(void)
{
	void *tp;

	__asm__("mov %%fs:0, %0" : "=r"(tp));
	printf("%lx %ld\n", (unsigned long)tp, syscall(SYS_gettid));
	fflush(stdout);
	/* Until the test has looked. */
	getchar();
}
