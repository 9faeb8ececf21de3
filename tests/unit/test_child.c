/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cmd/child.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/check.h"

static struct child prepare(const char *script)
{
	char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
	struct child c = CHILD_INIT;
	sigset_t none;

	sigemptyset(&none);
	assert_int_equal(child_prepare(argv, &none, &c), 0);
	assert_true(c.pid > 0);
	return c;
}

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

static void the_status_is_the_one_a_shell_shows(void **state)
{
	(void)state;
	static const struct {
		const char *script;
		int status;
	} rows[] = {
		{"exit 0", 0},		{"exit 7", 7},		{"exit 255", 255},
		{"kill -TERM $$", 143}, {"kill -KILL $$", 137}, {"kill -SEGV $$", 139},
	};
	unsigned int before = open_fds();

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct child c = prepare(rows[i].script);

		assert_int_equal(child_release(&c), 0);
		assert_int_equal(child_reap(&c), rows[i].status);
		assert_int_equal(c.pid, 0);
	}
	assert_int_equal(open_fds(), before);
}

static void nothing_runs_before_the_release(void **state)
{
	(void)state;
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(dup2(pipes[1], 9), 9);

	struct child c = prepare("echo x >&9; exit 3");
	struct pollfd written = {.fd = pipes[0], .events = POLLIN};
	struct pollfd ended = {.fd = c.pidfd, .events = POLLIN};

	assert_int_equal(poll(&written, 1, 100), 0);
	assert_int_equal(poll(&ended, 1, 0), 0);
	assert_int_equal(child_release(&c), 0);
	assert_int_equal(poll(&ended, 1, 10000), 1);
	assert_int_equal(poll(&written, 1, 0), 1);
	assert_int_equal(child_reap(&c), 3);
	close(pipes[0]);
	close(pipes[1]);
	close(9);
}

static void what_cannot_be_executed_says_why(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int err;
	} rows[] = {
		{"/no/such/command", -ENOENT},
		{"no-such-command-at-all", -ENOENT},
		{"/etc/passwd", -EACCES},
		{"/tmp", -EACCES},
	};
	unsigned int before = open_fds();
	sigset_t none;

	sigemptyset(&none);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *argv[] = {(char *)rows[i].name, NULL};
		struct child c = CHILD_INIT;

		assert_int_equal(child_prepare(argv, &none, &c), 0);
		assert_int_equal(child_release(&c), rows[i].err);
		assert_int_equal(c.pid, 0);
	}
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie is left */
	assert_int_equal(open_fds(), before);
}

static void a_child_that_is_never_released_ends(void **state)
{
	(void)state;
	struct child c = prepare("exit 0");
	struct child none = CHILD_INIT;

	child_kill(&c);
	child_kill(&none);
	assert_int_equal(c.pid, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void the_command_starts_with_the_mask_given(void **state)
{
	(void)state;
	sigset_t blocked;
	sigset_t before;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &before), 0);

	struct child c = prepare("kill -TERM $$; exit 5");

	assert_int_equal(child_release(&c), 0);
	assert_int_equal(child_reap(&c), 143);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_status_is_the_one_a_shell_shows),
		cmocka_unit_test(nothing_runs_before_the_release),
		cmocka_unit_test(what_cannot_be_executed_says_why),
		cmocka_unit_test(a_child_that_is_never_released_ends),
		cmocka_unit_test(the_command_starts_with_the_mask_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
