/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequences of process events, made up, and what the table holds after each. The processes do not exist, so that
 * /proc has nothing to say about them; where it must, this test itself is the process.
 */
#include "profiler/process_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "profiler/procfs.h"
#include "unit/check.h"

/* Beyond any pid of this machine (pid_max is at most 2^22). */
#define P    (1u << 23)
#define PAGE 0x1000ull

static struct binary_cache *binaries;
static struct process_table *table;
static uint64_t now_ns;
static bool replacement_waits;

static bool answer_replacement_waits(void *arg, uint32_t tgid)
{
	(void)arg;
	(void)tgid;
	return replacement_waits;
}

static void make_table(const pid_t *pids, size_t pid_count)
{
	const struct process_table_options options = {.binaries = binaries,
						      .pids = pids,
						      .pid_count = pid_count,
						      .replacement_waits =
							      answer_replacement_waits};

	assert_int_equal(process_table_create(&options, &table), 0);
}

static int set_up(void **state)
{
	(void)state;
	now_ns = 1000 * NS_PER_S;
	replacement_waits = false;
	assert_int_equal(binary_cache_create(NULL, &binaries), 0);
	make_table(NULL, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	process_table_destroy(table);
	binary_cache_destroy(binaries);
	return 0;
}

static void apply(enum sideband_type type, uint32_t tgid, uint32_t tid, uint32_t parent)
{
	const struct sideband_event e = {
		.type = type, .time_ns = ++now_ns, .tgid = tgid, .tid = tid, .parent_tgid = parent};

	assert_int_equal(process_table_apply(table, &e), 0);
}

static void fork_process(uint32_t parent, uint32_t child)
{
	apply(SIDEBAND_FORK, child, child, parent);
}

static void exec_process(uint32_t tgid)
{
	apply(SIDEBAND_EXEC, tgid, tgid, 0);
}

static void exit_thread(uint32_t tgid, uint32_t tid)
{
	apply(SIDEBAND_EXIT, tgid, tid, 1);
}

static void map_file(uint32_t tgid, uint64_t page, uint64_t pages, const char *path)
{
	const struct sideband_event e = {.type = SIDEBAND_MAP,
					 .time_ns = ++now_ns,
					 .tgid = tgid,
					 .tid = tgid,
					 .start = page * PAGE,
					 .bytes = pages * PAGE,
					 .file = {.path = path, .inode = page + 1}};

	assert_int_equal(process_table_apply(table, &e), 0);
}

/* What is mapped at a page; "" = nothing. */
static const char *mapped(uint32_t tgid, uint64_t page)
{
	const struct process *p = process_table_find(table, tgid);
	assert_non_null(p);
	const struct mapping *m = address_space_find(p->space, page * PAGE);

	return m ? binary_path(m->binary) : "";
}

static struct process *sample(uint32_t tgid, uint64_t start_ns)
{
	const struct sample_record s = {
		.tgid = tgid, .tid = tgid, .start_boottime_ns = start_ns, .time_ns = ++now_ns};

	return process_table_for_sample(table, &s, now_ns);
}

static void exec_replaces_all_mappings(void **state)
{
	(void)state;
	fork_process(1, P);
	exec_process(P);
	map_file(P, 10, 2, "/no/old");
	assert_string_equal(mapped(P, 11), "/no/old");
	assert_string_equal(process_table_find(table, P)->exe, "/no/old");
	uint64_t serial = process_table_find(table, P)->serial;

	exec_process(P);
	assert_string_equal(mapped(P, 11), "");
	map_file(P, 20, 1, "/no/new");
	map_file(P, 30, 1, "/no/lib.so");
	assert_string_equal(mapped(P, 20), "/no/new");
	assert_string_equal(process_table_find(table, P)->exe,
			    "/no/new");				     /* the first one mapped */
	assert_true(process_table_find(table, P)->serial != serial); /* its labels changed */
}

static void a_file_deleted_during_exec_keeps_its_name(void **state)
{
	(void)state;
	fork_process(1, P);
	exec_process(P);
	map_file(P, 10, 1, "/no/gone (deleted)");
	assert_string_equal(mapped(P, 10), "/no/gone");
	assert_string_equal(process_table_find(table, P)->exe, "/no/gone");
}

static void the_first_file_of_an_exec_names_it_once(void **state)
{
	(void)state;
	fork_process(1, P);
	exec_process(P);
	struct process *p = process_table_find(table, P);
	uint64_t serial = p->serial;

	process_table_name_executable(table, p, "//anon");
	process_table_name_executable(table, p, "[vdso]");
	assert_null(p->exe);
	assert_int_equal(p->serial, serial);

	process_table_name_executable(table, p, "/no/tool (deleted)");
	assert_string_equal(p->exe, "/no/tool");
	assert_int_not_equal(p->serial, serial); /* its labels are made anew */
	process_table_name_executable(table, p, "/no/lib.so");
	assert_string_equal(p->exe, "/no/tool");
	map_file(P, 10, 1, "/no/lib.so");
	assert_string_equal(p->exe, "/no/tool");
}

static void the_space_before_an_exec_stays_for_a_moment(void **state)
{
	(void)state;
	fork_process(1, P);
	map_file(P, 10, 2, "/no/old");
	exec_process(P);
	struct process *p = process_table_find(table, P);

	assert_non_null(p->previous_space);
	assert_non_null(address_space_find(p->previous_space, 11 * PAGE));
	process_drop_previous(p);
	assert_null(p->previous_space);
	exec_process(P);
	exit_thread(P, P);
	assert_null(p->previous_space);
}

static void fork_inherits_and_parts_ways(void **state)
{
	(void)state;
	fork_process(1, P);
	exec_process(P);
	map_file(P, 10, 1, "/no/parent");
	fork_process(P, P + 1);
	assert_string_equal(mapped(P + 1, 10), "/no/parent");
	assert_string_equal(process_table_find(table, P + 1)->exe, "/no/parent");
	assert_int_equal(process_table_find(table, P + 1)->parent, P);

	map_file(P + 1, 10, 1, "/no/child");
	assert_string_equal(mapped(P, 10), "/no/parent");
	assert_string_equal(mapped(P + 1, 10), "/no/child");
	exec_process(P);
	assert_string_equal(mapped(P + 1, 10), "/no/child");
}

static void a_reused_pid_is_another_process(void **state)
{
	(void)state;
	fork_process(1, P);
	exec_process(P);
	map_file(P, 10, 1, "/no/first");
	assert_non_null(sample(P, 1000));
	exit_thread(P, P);
	fork_process(1, P); /* before the first was swept */
	assert_string_equal(mapped(P, 10), "");
	assert_int_equal(process_table_find(table, P)->exit_ns, 0);
	assert_int_equal(process_table_find(table, P)->start_boottime_ns, 0);
}

/* All events of the change were lost: the sample's start time tells. */
static void a_pid_reused_unseen_is_noticed(void **state)
{
	(void)state;
	fork_process(1, P);
	exec_process(P);
	map_file(P, 10, 1, "/no/first");
	struct process *first = sample(P, 1000);
	uint64_t serial = first->serial;

	assert_int_equal(sample(P, 1000)->serial, serial);
	struct process *second = sample(P, 2000);
	assert_true(second->serial != serial);
	assert_null(address_space_find(second->space, 10 * PAGE));
	assert_null(second->exe);
}

static void an_ended_process_stays_until_its_samples_are_through(void **state)
{
	(void)state;
	fork_process(1, P);
	map_file(P, 10, 1, "/no/x");
	exit_thread(P, P);
	process_table_sweep(table, now_ns + NS_PER_S, now_ns + NS_PER_S);
	assert_string_equal(mapped(P, 10), "/no/x");
	process_table_sweep(table, now_ns + 3 * NS_PER_S, now_ns + 3 * NS_PER_S);
	assert_null(process_table_find(table, P));
}

static void a_process_ends_with_its_last_thread(void **state)
{
	(void)state;
	fork_process(1, P);
	apply(SIDEBAND_FORK, P, P + 1, P); /* a thread */
	exit_thread(P, P);		   /* the leader first */
	assert_int_equal(process_table_find(table, P)->exit_ns, 0);
	exit_thread(P, P + 1);
	assert_int_equal(process_table_find(table, P)->exit_ns, now_ns);
}

static void an_exec_ends_the_other_threads(void **state)
{
	(void)state;
	fork_process(1, P);
	apply(SIDEBAND_FORK, P, P + 1, P);
	apply(SIDEBAND_FORK, P, P + 2, P);
	exec_process(P);
	exit_thread(P, P);
	assert_true(process_table_find(table, P)->exit_ns);
}

static void a_missed_end_is_found(void **state)
{
	struct process_table_stats stats;

	(void)state;
	fork_process(1, P);
	process_table_sweep(table, now_ns, now_ns + 31 * NS_PER_S); /* there is no such process */
	process_table_sweep(table, now_ns + 3 * NS_PER_S, now_ns + 32 * NS_PER_S);
	process_table_stats(table, &stats);
	assert_int_equal(stats.processes, 0);
}

static void only_the_wanted_and_what_they_fork(void **state)
{
	const pid_t wanted[] = {(pid_t)P};

	(void)state;
	process_table_destroy(table);
	make_table(wanted, 1);
	fork_process(1, P + 1);
	fork_process(1, P);
	fork_process(P, P + 2);
	exec_process(P + 2);
	fork_process(P + 2, P + 3);
	exit_thread(P + 2, P + 2);
	fork_process(P + 3, P + 4);
	fork_process(P + 1, P + 5);
	assert_true(process_table_find(table, P)->selected);
	assert_true(process_table_find(table, P + 2)->selected);
	assert_true(process_table_find(table, P + 3)->selected);
	assert_true(process_table_find(table, P + 4)->selected);
	assert_false(process_table_find(table, P + 1)->selected);
	assert_false(process_table_find(table, P + 5)->selected);
	assert_false(sample(P + 6, 1)->selected);

	/* The pid of a child used again by somebody else's child. */
	exit_thread(P + 4, P + 4);
	fork_process(P + 1, P + 4);
	assert_false(process_table_find(table, P + 4)->selected);
}

static void no_pids_wanted_is_not_all(void **state)
{
	const pid_t none[1] = {0};

	(void)state;
	process_table_destroy(table);
	make_table(none, 0);
	fork_process(1, P);
	assert_false(process_table_find(table, P)->selected);
}

/* --- this test itself as the process -------------------------------------------------------------- */

static uint64_t own_start_ns(void)
{
	struct procfs_stat stat;

	assert_int_equal(procfs_read_stat(getpid(), &stat), 0);
	return stat.start_ticks * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK)) + 1;
}

static bool knows_own_code(const struct process *p)
{
	return address_space_find(p->space, (uint64_t)(uintptr_t)&knows_own_code) != NULL;
}

static void an_unheard_of_process_is_read_from_proc(void **state)
{
	(void)state;
	struct process *p = sample((uint32_t)getpid(), own_start_ns());

	assert_true(knows_own_code(p));
	assert_non_null(strstr(p->exe, "test_process_table"));
	assert_int_equal(p->parent, getppid());
	assert_non_null(p->cgroup);
	assert_false(p->stale);
}

/* The sample is of an earlier process with our pid: what /proc says is not its. */
static void proc_is_not_believed_about_another_process(void **state)
{
	(void)state;
	struct process *p = sample((uint32_t)getpid(), own_start_ns() - 50 * NS_PER_S);

	assert_false(knows_own_code(p));
	assert_null(p->exe);
}

static void proc_is_not_believed_while_an_exec_waits(void **state)
{
	(void)state;
	replacement_waits = true;
	assert_false(knows_own_code(sample((uint32_t)getpid(), own_start_ns())));
}

static void after_a_loss_each_process_is_repaired(void **state)
{
	uint32_t self = (uint32_t)getpid();

	(void)state;
	fork_process(1, self);
	exec_process(self); /* and its mappings were lost */
	assert_false(knows_own_code(sample(self, own_start_ns())));
	process_table_mark_stale(table);
	struct process *p = sample(self, own_start_ns());
	assert_true(knows_own_code(p));
	assert_false(p->stale);
}

static void repairs_of_one_process_become_rarer(void **state)
{
	uint64_t repairs = 0;

	(void)state;
	struct process *p = sample((uint32_t)getpid(), own_start_ns());
	for (uint64_t ms = 0; ms < 60000; ms += 10)
		repairs += process_table_repair(table, p, now_ns + ms * NS_PER_MS);
	assert_in_range(repairs, 5, 7); /* after 0, 1, 3, 7, 15 and 31 s */
}

static void a_scan_finds_us(void **state)
{
	struct process_table_stats stats;

	(void)state;
	assert_int_equal(process_table_scan(table, now_ns), 0);
	struct process *p = process_table_find(table, (uint32_t)getpid());
	assert_non_null(p);
	assert_true(knows_own_code(p));
	process_table_stats(table, &stats);
	assert_true(stats.processes > 1);
	assert_true(stats.mappings > p->space->count);
}

static void children_that_run_already_are_not_wanted(void **state)
{
	const pid_t parent[] = {getppid()};

	(void)state;
	process_table_destroy(table);
	make_table(parent, 1);
	assert_int_equal(process_table_scan(table, now_ns), 0);
	assert_true(process_table_find(table, (uint32_t)getppid())->selected);
	assert_false(process_table_find(table, (uint32_t)getpid())->selected);
	/* One that was forked while events were lost is. */
	fork_process(1, (uint32_t)getpid());
	exit_thread((uint32_t)getpid(), (uint32_t)getpid());
	process_table_sweep(table, now_ns + 3 * NS_PER_S, now_ns);
	assert_true(sample((uint32_t)getpid(), own_start_ns())->selected);
}

/* --- bounds --------------------------------------------------------------------------------------- */

static void the_table_is_bounded(void **state)
{
	struct process_table_stats stats;

	(void)state;
	for (uint32_t i = 0; i < PROCESS_TABLE_MAX + 100; i++)
		fork_process(1, P + i);
	process_table_stats(table, &stats);
	assert_int_equal(stats.processes, PROCESS_TABLE_MAX);
	assert_int_equal(stats.evicted, 100);
	assert_null(process_table_find(table, P)); /* the quietest went */
	assert_non_null(process_table_find(table, P + PROCESS_TABLE_MAX + 99));

	/* Those that ended go before any that lives. */
	exit_thread(P + 500, P + 500);
	fork_process(1, P + PROCESS_TABLE_MAX + 100);
	assert_null(process_table_find(table, P + 500));
	assert_non_null(process_table_find(table, P + 101));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(exec_replaces_all_mappings),
		TEST(a_file_deleted_during_exec_keeps_its_name),
		TEST(the_first_file_of_an_exec_names_it_once),
		TEST(the_space_before_an_exec_stays_for_a_moment),
		TEST(fork_inherits_and_parts_ways),
		TEST(a_reused_pid_is_another_process),
		TEST(a_pid_reused_unseen_is_noticed),
		TEST(an_ended_process_stays_until_its_samples_are_through),
		TEST(a_process_ends_with_its_last_thread),
		TEST(an_exec_ends_the_other_threads),
		TEST(a_missed_end_is_found),
		TEST(only_the_wanted_and_what_they_fork),
		TEST(no_pids_wanted_is_not_all),
		TEST(an_unheard_of_process_is_read_from_proc),
		TEST(proc_is_not_believed_about_another_process),
		TEST(proc_is_not_believed_while_an_exec_waits),
		TEST(after_a_loss_each_process_is_repaired),
		TEST(repairs_of_one_process_become_rarer),
		TEST(a_scan_finds_us),
		TEST(children_that_run_already_are_not_wanted),
		TEST(the_table_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
