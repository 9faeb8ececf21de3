/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/privileges.h"

#include <errno.h>
#include <string.h>

#include "unit/check.h"

static const struct privileges root = {
	.sys_admin = true, .bpf = true, .perfmon = true, .has_btf = true, .paranoid = 2};

/* The line must name the failed thing and hold the remedy, and be one line. */
static void assert_says(const struct privileges *p, enum privilege_step step, int error,
			const char *remedy)
{
	char text[512];

	privileges_explain(p, step, error, text, sizeof(text));
	assert_non_null(strstr(text, strerror(-error)));
	if (!strstr(text, remedy))
		fail_msg("\"%s\" does not say \"%s\"", text, remedy);
	assert_null(strchr(text, '\n'));
	assert_true(strlen(text) < 300);
}

static void each_refusal_has_its_remedy(void **state)
{
	struct privileges p = {.has_btf = true, .paranoid = 2};

	(void)state;
	assert_says(&p, STEP_LOAD_BPF, -EPERM, "run as root");
	assert_says(&p, STEP_OPEN_CLOCK, -EACCES, "CAP_PERFMON");

	p = (struct privileges){.has_btf = true, .bpf = true, .perfmon = true, .paranoid = 3};
	assert_says(&p, STEP_OPEN_CLOCK, -EACCES, "sysctl kernel.perf_event_paranoid=2");
	assert_says(&p, STEP_OPEN_SIDEBAND, -EPERM, "CAP_SYS_ADMIN");
	p.paranoid = 2;
	assert_says(&p, STEP_OPEN_SIDEBAND, -EPERM, "perf_event_mlock_kb");

	p = root;
	p.has_btf = false;
	assert_says(&p, STEP_LOAD_BPF, -ESRCH, "CONFIG_DEBUG_INFO_BTF");
	p = root;
	p.locked_down = true;
	assert_says(&p, STEP_LOAD_BPF, -EPERM, "lockdown");
	assert_says(&p, STEP_LOAD_BPF, -EINVAL, "lockdown");
	assert_says(&root, STEP_LOAD_BPF, -EPERM, "seccomp");
	assert_says(&root, STEP_OPEN_CLOCK, -EMFILE, "ulimit -n");
	assert_says(&root, STEP_LOAD_BPF, -ENOMEM, "memory");
	assert_says(&root, STEP_LOAD_BPF, -EINVAL, "5.10");
	assert_says(&root, STEP_OTHER, -EIO, "cannot start");
}

static void it_fits_into_any_room(void **state)
{
	char text[16];

	(void)state;
	memset(text, 'x', sizeof(text));
	privileges_explain(&root, STEP_LOAD_BPF, -EPERM, text, 8);
	assert_int_equal(strlen(text), 7);
	assert_int_equal(text[8], 'x');
}

static void this_process_is_root(void **state)
{
	struct privileges p;

	(void)state;
	privileges_read(&p);
	assert_true(p.sys_admin); /* the suite runs as root */
	assert_true(p.has_btf);
	assert_true(p.paranoid >= -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_refusal_has_its_remedy),
		cmocka_unit_test(it_fits_into_any_room),
		cmocka_unit_test(this_process_is_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
