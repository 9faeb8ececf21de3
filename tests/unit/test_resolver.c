/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From raw samples to a window: this test is the process, its own code what was sampled.
 */
#include "profiler/resolver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "profiler/procfs.h"
#include "unit/check.h"

#define PERIOD_NS 10101010u

struct fixture {
	struct window_builder builder;
	struct process_table *processes;
	struct binary_cache *binaries;
	struct kernel_names *names;
	struct stack_table stacks;
	struct resolver resolver;
	struct process *self;
	struct sample_record sample;
};

static struct fixture f;

static int set_up(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	assert_int_equal(binary_cache_create(NULL, &f.binaries), 0);
	const struct process_table_options options = {.binaries = f.binaries};
	assert_int_equal(process_table_create(&options, &f.processes), 0);
	assert_int_equal(kernel_names_create(&f.names), 0);
	window_builder_init(&f.builder, NULL);
	window_builder_open(&f.builder, 0, 0, PERIOD_NS);
	f.resolver = (struct resolver){.builder = &f.builder,
				       .processes = f.processes,
				       .binaries = f.binaries,
				       .kernel_names = f.names};
	assert_int_equal(process_table_scan(f.processes, clock_now_ns()), 0);
	f.self = process_table_find(f.processes, (uint32_t)getpid());
	assert_non_null(f.self);
	f.sample = (struct sample_record){.tgid = (uint32_t)getpid(),
					  .tid = 77,
					  .weight = 1,
					  .thread_comm = "worker",
					  .process_comm = "server",
					  .time_ns = clock_now_ns()};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	resolver_release(&f.resolver);
	window_builder_release(&f.builder);
	stack_table_release(&f.stacks);
	process_table_destroy(f.processes);
	kernel_names_destroy(f.names);
	binary_cache_destroy(f.binaries);
	return 0;
}

static void add_raw_stack(uint64_t id, const uint64_t *frames, uint16_t kernel, uint16_t user)
{
	struct {
		struct stack_record record;
		uint64_t frames[16];
	} s = {.record = {.id = id, .kernel_count = kernel, .user_count = user}};

	memcpy(s.frames, frames, (kernel + user) * sizeof(frames[0]));
	assert_int_equal(stack_table_add(&f.stacks, &s.record,
					 sizeof(s.record) + (kernel + user) * sizeof(frames[0])),
			 0);
}

static enum stack_verdict add_sample(uint64_t stack_id)
{
	enum stack_verdict verdict = STACK_VERDICT_COUNT;

	f.sample.stack_id = stack_id;
	assert_int_equal(resolver_add(&f.resolver, &f.sample, &f.stacks, f.self, &verdict), 0);
	return verdict;
}

static const struct window *window(void)
{
	return &f.builder.w;
}

static const struct window_frame *frame(uint32_t sample, uint32_t i)
{
	const struct window_stack *s = &window()->stacks[window()->samples[sample].stack];

	assert_true(i < s->count);
	return &window()->frames[window()->stack_frames[s->first + i]];
}

static const char *name_of(const struct window_frame *fr)
{
	return strpool_get(&window()->strings, fr->name);
}

/* ELF vaddr of our own code, by the segments of the file: runtime address - where vaddr 0 would lie. */
static uint64_t own_vaddr(uint64_t addr)
{
	const struct mapping *m = address_space_find(f.self->space, addr);
	uint64_t vaddr = 0;

	assert_non_null(m);
	assert_int_equal(binary_offset_to_vaddr(m->binary, addr - m->start + m->offset, &vaddr), 0);
	return vaddr;
}

static void addresses_become_places_in_binaries(void **state)
{
	uint64_t here = (uint64_t)(uintptr_t)&own_vaddr, there = (uint64_t)(uintptr_t)&set_up;
	const uint64_t frames[] = {here | SAMPLE_FRAME_EXACT, there + 5, here | SAMPLE_FRAME_EXACT};

	(void)state;
	add_raw_stack(1, frames, 0, 3);
	assert_int_equal(add_sample(1), STACK_COMPLETE);
	assert_int_equal(frame(0, 0)->addr, own_vaddr(here));	   /* exact */
	assert_int_equal(frame(0, 1)->addr, own_vaddr(there) + 4); /* a return address */
	assert_int_equal(frame(0, 2)->addr, own_vaddr(here));	   /* a signal came here */
	assert_ptr_equal(frame(0, 0), frame(0, 2));
	assert_int_equal(frame(0, 0)->flags, 0);
	assert_non_null(
		strstr(binary_path(window()->binaries[frame(0, 0)->binary]), "test_resolver"));
}

static void kernel_frames_are_named_and_come_first(void **state)
{
	uint64_t here = (uint64_t)(uintptr_t)&own_vaddr;
	const uint64_t frames[] = {0x10, 0x20, here};

	(void)state;
	add_raw_stack(1, frames, 2, 1);
	assert_int_equal(add_sample(1), STACK_COMPLETE);
	assert_int_equal(frame(0, 0)->addr, 0x10);
	assert_int_equal(frame(0, 1)->addr, 0x1f);
	assert_int_equal(frame(0, 1)->flags, FRAME_KERNEL);
	assert_int_equal(frame(0, 2)->flags, 0);
	assert_int_equal(binary_kind(window()->binaries[frame(0, 0)->binary]), BINARY_KERNEL);
}

static void code_without_a_file_is_marked(void **state)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(memory, MAP_FAILED);
	/* Not in the log of events, which there is none of here: found by reading the maps again. */
	const uint64_t frames[] = {((uint64_t)(uintptr_t)memory + 8) | SAMPLE_FRAME_EXACT};
	add_raw_stack(1, frames, 0, 1);
	assert_int_equal(add_sample(1), STACK_COMPLETE);
	assert_int_equal(frame(0, 0)->flags, FRAME_JIT);
	assert_int_equal(frame(0, 0)->addr, (uint64_t)(uintptr_t)memory + 8);
	assert_int_equal(munmap(memory, 4096), 0);
}

static void a_caller_outside_of_code_ends_the_stack(void **state)
{
	uint64_t here = (uint64_t)(uintptr_t)&own_vaddr;
	const uint64_t frames[] = {here | SAMPLE_FRAME_EXACT, 0x1234, here};

	(void)state;
	add_raw_stack(1, frames, 0, 3);
	assert_int_equal(add_sample(1), STACK_FAILED);
	assert_int_equal(window()->stacks[0].count, 2);
	assert_int_equal(frame(0, 1)->flags, FRAME_MARKER);
	assert_non_null(strstr(name_of(frame(0, 1)), "outside of code"));
	assert_int_equal(f.resolver.unmapped_frames, 1);
}

static void a_leaf_outside_of_code_is_unknown(void **state)
{
	uint64_t here = (uint64_t)(uintptr_t)&own_vaddr;
	const uint64_t frames[] = {0x1234 | SAMPLE_FRAME_EXACT, here};

	(void)state;
	add_raw_stack(1, frames, 0, 2);
	(void)add_sample(1);
	assert_int_equal(window()->stacks[0].count, 2);
	assert_string_equal(binary_path(window()->binaries[frame(0, 0)->binary]), "[unknown]");
}

static void incomplete_parts_end_in_a_marker(void **state)
{
	uint64_t here = (uint64_t)(uintptr_t)&own_vaddr;
	struct {
		struct stack_record record;
		uint64_t frames[2];
	} s = {.record = {.id = 1,
			  .kernel_count = 1,
			  .user_count = 1,
			  .kernel_verdict = UNWIND_TRUNCATED,
			  .kernel_reason = UNWIND_REASON_FRAME_LIMIT,
			  .user_verdict = UNWIND_FAILED,
			  .user_reason = UNWIND_REASON_HELPER},
	       .frames = {0x10, here}};

	(void)state;
	assert_int_equal(stack_table_add(&f.stacks, &s.record, sizeof(s)), 0);
	assert_int_equal(add_sample(1), STACK_FAILED);
	assert_int_equal(window()->stacks[0].count, 4);
	assert_string_equal(name_of(frame(0, 1)), "[truncated stack]");
	assert_int_equal(frame(0, 3)->flags, FRAME_MARKER);
	assert_non_null(strstr(name_of(frame(0, 3)), "failed"));
}

static const char *label(uint32_t sample, const char *name)
{
	const struct window_label_set *set =
		&window()->label_sets[window()->samples[sample].labels];

	for (uint32_t i = 0; i < set->count; i++) {
		const struct window_label *l = &window()->labels[set->first + i];

		if (!strcmp(strpool_get(&window()->strings, l->name), name))
			return strpool_get(&window()->strings, l->value);
	}
	return NULL;
}

static void labels_say_who_ran(void **state)
{
	char pid[16];
	const uint64_t frames[] = {0x10};

	(void)state;
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	add_raw_stack(1, frames, 1, 0);
	(void)add_sample(1);
	assert_string_equal(label(0, "comm"), "server");
	assert_string_equal(label(0, "thread"), "worker");
	assert_string_equal(label(0, "pid"), pid);
	assert_string_equal(label(0, "tid"), "77");
	assert_non_null(strstr(label(0, "exe"), "test_resolver"));
	assert_null(label(0, "container_id")); /* without a value it is not there */

	/* Rubbish behind the end of a comm makes no other set. */
	memcpy(f.sample.thread_comm, "worker\0rubbish", 14);
	(void)add_sample(1);
	assert_int_equal(window()->label_set_count, 1);
	f.sample.tid = 78;
	(void)add_sample(1);
	assert_int_equal(window()->label_set_count, 2);
	assert_string_equal(label(2, "tid"), "78");
}

static void what_was_resolved_is_kept_while_nothing_changes(void **state)
{
	uint64_t here = (uint64_t)(uintptr_t)&own_vaddr;
	const uint64_t frames[] = {here | SAMPLE_FRAME_EXACT};
	struct binary *other;

	(void)state;
	add_raw_stack(1, frames, 0, 1);
	(void)add_sample(1);
	(void)add_sample(1);
	assert_int_equal(window()->samples[0].stack, window()->samples[1].stack);

	/* Another file is mapped at the place: the next sample is of that one. */
	assert_int_equal(binary_create_special(BINARY_UNKNOWN, "/no/other", &other), 0);
	const struct mapping m = {
		.start = here & ~0xfffull, .end = (here & ~0xfffull) + 4096, .binary = other};
	assert_int_equal(address_space_map(&f.self->space, &m), 0);
	binary_unref(other);
	(void)add_sample(1);
	assert_string_equal(binary_path(window()->binaries[frame(2, 0)->binary]), "/no/other");
	assert_int_not_equal(window()->samples[0].stack, window()->samples[2].stack);

	/* Another window: indices start anew. */
	window_builder_open(&f.builder, 0, 0, PERIOD_NS);
	(void)add_sample(1);
	assert_int_equal(window()->stack_count, 1);
	assert_string_equal(binary_path(window()->binaries[frame(0, 0)->binary]), "/no/other");
	assert_string_equal(label(0, "thread"), "worker");
}

static void inside_an_exec_the_caller_is_the_program_before(void **state)
{
	uint64_t here = (uint64_t)(uintptr_t)&own_vaddr;
	const uint64_t frames[] = {0x10, here};
	const struct sideband_event exec = {
		.type = SIDEBAND_EXEC, .tgid = (uint32_t)getpid(), .time_ns = clock_now_ns()};

	(void)state;
	add_raw_stack(1, frames, 1, 1);
	assert_int_equal(process_table_apply(f.processes, &exec), 0);
	assert_null(address_space_find(f.self->space, here));
	f.sample.flags = SAMPLE_IN_KERNEL;
	assert_int_equal(add_sample(1), STACK_COMPLETE);
	assert_non_null(
		strstr(binary_path(window()->binaries[frame(0, 1)->binary]), "test_resolver"));
}

static void a_missing_stack_is_said(void **state)
{
	enum stack_verdict verdict;

	(void)state;
	f.sample.stack_id = 4711;
	assert_int_equal(resolver_add(&f.resolver, &f.sample, &f.stacks, f.self, &verdict),
			 -ENOENT);
	assert_int_equal(window()->sample_count, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(addresses_become_places_in_binaries),
		TEST(kernel_frames_are_named_and_come_first),
		TEST(code_without_a_file_is_marked),
		TEST(a_caller_outside_of_code_ends_the_stack),
		TEST(a_leaf_outside_of_code_is_unknown),
		TEST(incomplete_parts_end_in_a_marker),
		TEST(labels_say_who_ran),
		TEST(what_was_resolved_is_kept_while_nothing_changes),
		TEST(inside_an_exec_the_caller_is_the_program_before),
		TEST(a_missing_stack_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
