/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"

/* linux/ioprio.h, which is not installed with the C library */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE	   (3 << 13)

/* What it takes to read, write, map, allocate, pass descriptors and end. */
static const int allowed[] = {
	SCMP_SYS(read),	     SCMP_SYS(pread64),	      SCMP_SYS(write),
	SCMP_SYS(pwrite64),  SCMP_SYS(writev),	      SCMP_SYS(lseek),
	SCMP_SYS(close),     SCMP_SYS(fstat),	      SCMP_SYS(newfstatat),
	SCMP_SYS(fcntl),     SCMP_SYS(mmap),	      SCMP_SYS(munmap),
	SCMP_SYS(mremap),    SCMP_SYS(mprotect),      SCMP_SYS(madvise),
	SCMP_SYS(brk),	     SCMP_SYS(sendmsg),	      SCMP_SYS(recvmsg),
	SCMP_SYS(futex),     SCMP_SYS(clock_gettime), SCMP_SYS(sysinfo),
	SCMP_SYS(getrandom), SCMP_SYS(rt_sigreturn),  SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(exit),	     SCMP_SYS(exit_group),    SCMP_SYS(getpid),
	SCMP_SYS(gettid),    SCMP_SYS(tgkill),	      SCMP_SYS(sched_yield),
};

static int set_limit(int resource, uint64_t value)
{
	/* For CPU time the soft limit kills with SIGXCPU, which says why; the hard one a second later with SIGKILL. */
	struct rlimit limit = {value, value + (resource == RLIMIT_CPU)};

	return setrlimit(resource, &limit) ? -errno : 0;
}

static int set_limits(const struct sandbox_limits *limits)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	int err = set_limit(RLIMIT_CORE, 0);

	(void)sigaction(SIGXFSZ, &ignore, NULL); /* writing too much is an error, not a death */
	if (!err)
		err = set_limit(RLIMIT_FSIZE, limits->file_bytes);
	if (!err)
		err = set_limit(RLIMIT_CPU, limits->cpu_seconds);
#ifndef __SANITIZE_ADDRESS__ /* its shadow memory alone exceeds any limit */
	if (!err)
		err = set_limit(RLIMIT_DATA, limits->memory_bytes);
#endif
	return err;
}

static int install_filter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = filter ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < ARRAY_SIZE(allowed); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!err)
		err = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	return err;
}

int sandbox_enter(const struct sandbox_limits *limits)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	(void)prctl(PR_SET_DUMPABLE, 0); /* less to steal; it works without */
	if (limits->background) {
		(void)setpriority(PRIO_PROCESS, 0, 19);				   /* politeness */
		(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE); /* idem */
	}

	int err = set_limits(limits);

	return err ? err : install_filter();
}
