/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Situations for the unwinder, one an argument. Each ends in stop_here(), in a fault, or waits.
 */
#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

volatile unsigned long sink;

NOINLINE void stop_here(void)
{
	sink++;
}

NOINLINE void handler(int number)
{
	sink += (unsigned long)number;
	stop_here();
	sink++;
}

NOINLINE void in_signal(void)
{
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	sink++;
}

NOINLINE void on_alternate_stack(void)
{
	stack_t ss = {.ss_size = 65536};
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_ONSTACK};

	ss.ss_sp =
		mmap(NULL, ss.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaltstack(&ss, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	raise(SIGUSR2);
	sink++;
}

NOINLINE void spin(void)
{
	for (;;)
		for (int i = 0; i < 1000; i++)
			sink += (unsigned long)i;
}

/* The signal comes at any instruction, not after a call. */
NOINLINE void interrupted(void)
{
	struct itimerval t = {.it_value.tv_usec = 20000};

	signal(SIGALRM, handler);
	setitimer(ITIMER_REAL, &t, NULL);
	spin();
}

NOINLINE unsigned long recurse(int depth)
{
	if (!depth) {
		stop_here();
		return 1;
	}

	unsigned long r = recurse(depth - 1);

	return r + sink;
}

NOINLINE void with_alloca(size_t n)
{
	char *p = alloca(n);

	memset(p, 1, n);
	sink += (unsigned long)p[n - 1];
	stop_here();
	sink += (unsigned long)p[0];
}

/* Calls at the very end of a function: the return address lies in the next one. */
__attribute__((noreturn)) NOINLINE void never_returns(void)
{
	stop_here();
	_exit(0);
}

__attribute__((noreturn)) NOINLINE void ends_in_call(void)
{
	never_returns();
}

__attribute__((force_align_arg_pointer)) NOINLINE void realigned(int n)
{
	char aligned[64] __attribute__((aligned(64)));

	memset(aligned, n, sizeof(aligned));
	sink += (unsigned long)aligned[n & 63];
	with_alloca((size_t)n + 100);
	sink += (unsigned long)aligned[0];
}

static int compare(const void *a, const void *b)
{
	stop_here();
	return *(const int *)a - *(const int *)b;
}

NOINLINE void in_callback(void)
{
	int values[] = {3, 1, 2, 5, 4, 9, 8, 7};

	qsort(values, 8, sizeof(values[0]), compare);
	sink += (unsigned long)values[0];
}

NOINLINE void *thread_main(void *arg)
{
	stop_here();
	sink++;
	return arg;
}

NOINLINE void in_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, thread_main, NULL);
	pthread_join(t, NULL);
	sink++;
}

/* Hand-written code without call frame information. */
void asm_leaf(void);
void asm_with_frame(void (*fn)(void));
__asm__(".text\n"
	".type asm_leaf,@function\n"
	"asm_leaf:\n"
	"	mov $1000, %ecx\n"
	"1:	dec %ecx\n"
	"	jnz 1b\n"
	"	ret\n"
	".size asm_leaf, .-asm_leaf\n"
	".type asm_with_frame,@function\n"
	"asm_with_frame:\n"
	"	push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	sub $32, %rsp\n"
	"	call *%rdi\n"
	"	add $32, %rsp\n"
	"	pop %rbp\n"
	"	ret\n"
	".size asm_with_frame, .-asm_with_frame\n");

NOINLINE void calls_asm(void)
{
	asm_leaf();
	sink++;
}

NOINLINE void calls_through_asm(void)
{
	asm_with_frame(stop_here);
	sink++;
}

NOINLINE void calls_null(void)
{
	void (*volatile nowhere)(void) = NULL;

	nowhere();
	sink++;
}

NOINLINE void forks(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	sink++;
}

NOINLINE void reads_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	sink += (unsigned long)t.tv_nsec;
}

NOINLINE void steps(void)
{
	char text[64];

	stop_here();
	snprintf(text, sizeof(text), "%d %s", 12, "abc");
	sink += strlen(text);
	free(malloc(100));
	realigned(5);
	reads_clock();
}

NOINLINE void waits(void)
{
	puts("ready");
	fflush(stdout);
	pause();
	sink++;
}

NOINLINE void sleeps(void)
{
	struct timespec t = {.tv_sec = 1000};

	puts("ready");
	fflush(stdout);
	nanosleep(&t, NULL);
	sink++;
}

NOINLINE int dispatch(const char *name, const char *arg)
{
	const struct {
		const char *name;
		void (*fn)(void);
	} table[] = {
		{"signal", in_signal},
		{"altstack", on_alternate_stack},
		{"interrupted", interrupted},
		{"noreturn", ends_in_call},
		{"callback", in_callback},
		{"thread", in_thread},
		{"asm", calls_asm},
		{"asm-frame", calls_through_asm},
		{"null", calls_null},
		{"vfork", forks},
		{"clock", reads_clock},
		{"steps", steps},
		{"waits", waits},
		{"sleeps", sleeps},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(name, table[i].name))
			table[i].fn();
	if (!strcmp(name, "alloca"))
		with_alloca(strlen(arg) + 5000);
	if (!strcmp(name, "realign"))
		realigned((int)strlen(arg));
	if (!strcmp(name, "deep"))
		sink += recurse(atoi(arg));
	return (int)sink;
}

int main(int argc, char **argv)
{
	return argc > 1 ? dispatch(argv[1], argc > 2 ? argv[2] : "") : 2;
}
