/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/sandbox.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"

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

struct sandbox {
	struct sock_fprog program; /* its instructions are owned */
};

DEFINE_CLEANUP(sandbox_destroy, struct sandbox *)

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

/* Writes the filter's program for the kernel into a file and reads it back: libseccomp has no other way out. */
static int export(scmp_filter_ctx filter, struct sandbox *s)
{
	auto_close int fd = memfd_create("hearth-seccomp", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;

	int err = seccomp_export_bpf(filter, fd);
	off_t bytes = err ? -1 : lseek(fd, 0, SEEK_END);

	if (err || bytes <= 0)
		return err ? err : -EIO;
	s->program.filter = malloc((size_t)bytes);
	if (!s->program.filter)
		return -ENOMEM;
	s->program.len = (unsigned short)((size_t)bytes / sizeof(*s->program.filter));
	return pread(fd, s->program.filter, (size_t)bytes, 0) == bytes ? 0 : -EIO;
}

int sandbox_create(struct sandbox **ret)
{
	CLEANUP(sandbox_destroyp) struct sandbox *s = calloc(1, sizeof(*s));
	scmp_filter_ctx filter = s ? seccomp_init(SCMP_ACT_ERRNO(EPERM)) : NULL;
	int err = filter ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < ARRAY_SIZE(allowed); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!err)
		err = export(filter, s);
	if (filter)
		seccomp_release(filter);
	if (!err)
		*ret = take_ptr(s);
	return err;
}

void sandbox_destroy(struct sandbox *s)
{
	if (!s)
		return;
	free(s->program.filter);
	free(s);
}

void sandbox_calm(pid_t pid)
{
	(void)setpriority(PRIO_PROCESS, (id_t)pid, 19);			     /* politeness */
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, IOPRIO_IDLE); /* idem */
}

int sandbox_enter(const struct sandbox *s, const struct sandbox_limits *limits)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	(void)prctl(PR_SET_DUMPABLE, 0); /* less to steal; it works without */
	if (limits->background)
		sandbox_calm(0);

	int err = set_limits(limits);

	if (err)
		return err;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &s->program) ? -errno : 0;
}
