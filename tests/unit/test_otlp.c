/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows as OTLP profiles and back, and what others may send.
 */
#include "server/fleet/otlp.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "profiler/window_builder.h"
#include "tests/unit/otlp_foreign.h"

static struct binary *open_binary(const char *path)
{
	struct binary *b = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(binary_open(fd, path, 0, &b), 0);
	return b;
}

static uint32_t add_labels(struct window_builder *b, const char *const (*pairs)[2], size_t count)
{
	struct window_label labels[16];
	uint32_t id = 0;

	for (size_t i = 0; i < count; i++) {
		assert_int_equal(window_builder_string(b, pairs[i][0], &labels[i].name), 0);
		assert_int_equal(window_builder_string(b, pairs[i][1], &labels[i].value), 0);
	}
	assert_int_equal(window_builder_labels(b, labels, count, &id), 0);
	return id;
}

static uint32_t add_frame(struct window_builder *b, struct binary *binary, uint64_t addr,
			  const char *name, uint32_t flags)
{
	struct window_frame frame = {.addr = addr, .flags = flags};
	uint32_t id = 0;

	assert_int_equal(window_builder_binary(b, binary, &frame.binary), 0);
	assert_int_equal(window_builder_string(b, name, &frame.name), 0);
	assert_int_equal(window_builder_frame(b, &frame, &id), 0);
	return id;
}

/* Frames and labels of every kind. */
static struct window *make_window(unsigned int sample_count)
{
	static const char *const web[][2] = {
		{"comm", "nginx"}, {"container_id", "abc"},  {"host", "web-1"},	   {"pid", "17"},
		{"tid", "0017"},   {"thread", "wörker\xff"}, {"unit", "x.service"}};
	static const char *const idle[][2] = {
		{"comm", "sh"}, {"exe", "/bin/sh"}, {"host", "web-1"}};
	struct window_builder b;
	struct window *w = NULL;
	struct binary *binaries[4] = {open_binary("/bin/true"), NULL, NULL, NULL};
	uint32_t frames[5], stacks[3], labels[2];

	window_builder_init(&b, NULL);
	window_builder_open(&b, 0, START, PERIOD);
	assert_int_equal(binary_create_special(BINARY_KERNEL, "[kernel.kallsyms]", &binaries[1]),
			 0);
	assert_int_equal(binary_create_special(BINARY_ANON, "[anon]", &binaries[2]), 0);
	assert_int_equal(binary_create_special(BINARY_UNKNOWN, "[unknown]", &binaries[3]), 0);
	frames[0] = add_frame(&b, binaries[1], 0xffffffff81000010, "do_syscall_64", FRAME_KERNEL);
	frames[1] = add_frame(&b, binaries[0], 0x2345, "", 0);
	frames[2] = add_frame(&b, binaries[2], 0x7f0012345678, "LFoo;bar", FRAME_JIT);
	frames[3] = add_frame(&b, binaries[3], 0x10, "", 0);
	frames[4] = add_frame(&b, binaries[0], 0, "cut short", FRAME_MARKER);
	assert_int_equal(window_builder_stack(&b, frames, 2, STACK_COMPLETE, &stacks[0]), 0);
	assert_int_equal(window_builder_stack(&b, frames + 1, 4, STACK_TRUNCATED, &stacks[1]), 0);
	assert_int_equal(window_builder_stack(&b, frames, 0, STACK_FAILED, &stacks[2]), 0);
	labels[0] = add_labels(&b, web, 7);
	labels[1] = add_labels(&b, idle, 3);
	for (unsigned int i = 0; i < sample_count; i++) {
		struct window_sample s = {.stack = stacks[i % 3],
					  .labels = labels[i % 2],
					  .weight = i % 7 ? 1 : 3,
					  .cpu = (uint16_t)(i % 5)};

		assert_int_equal(window_builder_sample(&b, i * 1000000ull, &s), 0);
	}
	b.w.lost[LOST_RING_FULL] = 5;
	assert_int_equal(window_builder_finish(&b, START + 10 * NS_PER_S, &w), 0);
	window_builder_release(&b);
	for (int i = 0; i < 4; i++)
		binary_unref(binaries[i]);
	return w;
}

static void print_sample(const struct window *w, const struct window_sample *s, FILE *out)
{
	const struct window_stack *stack = &w->stacks[s->stack];
	const struct window_label_set *set = &w->label_sets[s->labels];
	char id[BUILD_ID_HEX_MAX];

	fprintf(out, "%llu cpu=%u weight=%u verdict=%u",
		(unsigned long long)w->wall_start_ns / 1000 + s->time_us, s->cpu, s->weight,
		stack->verdict);
	for (uint32_t i = 0; i < set->count; i++)
		fprintf(out, " %s=%s", strpool_get(&w->strings, w->labels[set->first + i].name),
			strpool_get(&w->strings, w->labels[set->first + i].value));
	for (uint32_t i = 0; i < stack->count; i++) {
		const struct window_frame *f = &w->frames[w->stack_frames[stack->first + i]];
		const struct binary *b = w->binaries[f->binary];

		fprintf(out, "\n\t%s %s %d %llx %s %u", binary_path(b),
			build_id_format(binary_build_id(b), id), binary_has_build_id(b),
			(unsigned long long)f->addr, strpool_get(&w->strings, f->name), f->flags);
	}
	fputc('\n', out);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All that a window says, a line a sample, sorted; free it. */
static char *describe(const struct window *w)
{
	char **lines = calloc(w->sample_count + 1, sizeof(*lines));
	char *all = NULL;
	size_t size;
	FILE *out = open_memstream(&all, &size);

	for (uint32_t i = 0; i < w->sample_count; i++) {
		size_t length;
		FILE *line = open_memstream(&lines[i], &length);

		print_sample(w, &w->samples[i], line);
		fclose(line);
	}
	qsort(lines, w->sample_count, sizeof(*lines), compare_lines);
	fprintf(out, "%llu %llu %llu lost %llu\n", (unsigned long long)w->wall_start_ns,
		(unsigned long long)w->wall_end_ns, (unsigned long long)w->period_ns,
		(unsigned long long)w->lost[LOST_RING_FULL]);
	for (uint32_t i = 0; i < w->sample_count; i++) {
		fputs(lines[i], out);
		free(lines[i]);
	}
	fclose(out);
	free(lines);
	return all;
}

static void a_window_comes_back_as_it_was(void **state)
{
	static const struct otlp_source source = {.host = "ignored", .batch = {{1, 2, 3}}};
	struct otlp_options options = {.wall_now_ns = START + 11 * NS_PER_S};
	struct window *w = make_window(500);
	struct otlp_result r;
	auto_buffer out = BUFFER_INIT;

	(void)state;
	assert_int_equal(otlp_encode(w, &source, &out), 0);
	assert_int_equal(otlp_decode(out.bytes, out.length, &options, &r), 0);
	assert_string_equal(r.reason, "");
	assert_int_equal(r.window_count, 1);
	assert_int_equal(r.profiles, 2); /* with a container and without */
	assert_int_equal(r.samples, 500);

	char *before = describe(w), *after = describe(r.windows[0]);
	char *broken = strstr(before, "w\xc3\xb6rker\xff");

	/* The one byte that is no UTF-8 comes back as U+FFFD: everywhere the same. */
	assert_non_null(broken);
	assert_non_null(strstr(after, "w\xc3\xb6rker\xef\xbf\xbd"));
	for (char *at = after; (at = strstr(at, "\xef\xbf\xbd"));) {
		*at = '\xff';
		memmove(at + 1, at + 3, strlen(at + 3) + 1);
	}
	assert_string_equal(before, after);
	free(before);
	free(after);

	size_t count;
	const struct binary *b = NULL;

	for (uint32_t i = 0; i < r.windows[0]->binary_count; i++)
		if (!strcmp(binary_path(r.windows[0]->binaries[i]), "/bin/true"))
			b = r.windows[0]->binaries[i];
	assert_non_null(b);
	assert_non_null(binary_segments(b, &count));
	assert_true(count >= 1);
	otlp_result_release(&r);
	window_unref(w);
}

static void a_host_is_added_where_none_is(void **state)
{
	struct otlp_source source = {.host = "db-3"};
	struct otlp_options options = {.wall_now_ns = START + 11 * NS_PER_S};
	static const char *const pairs[][2] = {{"comm", "x"}};
	struct window_builder b;
	struct window *w = NULL;
	struct window_sample s = {.weight = 1};
	struct otlp_result r;
	auto_buffer out = BUFFER_INIT;

	(void)state;
	window_builder_init(&b, NULL);
	window_builder_open(&b, 0, START, PERIOD);
	s.labels = add_labels(&b, pairs, 1);
	assert_int_equal(window_builder_stack(&b, NULL, 0, STACK_COMPLETE, &s.stack), 0);
	assert_int_equal(window_builder_sample(&b, 0, &s), 0);
	assert_int_equal(window_builder_finish(&b, START + NS_PER_S, &w), 0);
	assert_int_equal(otlp_encode(w, &source, &out), 0);
	assert_int_equal(otlp_decode(out.bytes, out.length, &options, &r), 0);

	char *text = describe(r.windows[0]);

	assert_non_null(strstr(text, " comm=x host=db-3"));
	free(text);
	otlp_result_release(&r);
	window_unref(w);
	window_builder_release(&b);
}

static void values_without_times_are_spread(void **state)
{
	struct foreign f;
	struct otlp_result r;
	uint64_t sum = 0;

	(void)state;
	foreign_init(&f);
	assert_int_equal(send(&f, &r), 0);
	assert_int_equal(r.window_count, 1);
	assert_int_equal(r.windows[0]->sample_count, 5); /* one for each second */
	for (uint32_t i = 0; i < r.windows[0]->sample_count; i++)
		sum += r.windows[0]->samples[i].weight;
	assert_int_equal(sum, 12);

	const struct window_frame *frame = &r.windows[0]->frames[0];
	const struct binary *b = r.windows[0]->binaries[frame->binary];

	assert_int_equal(frame->addr, 0x1234);
	assert_int_equal(frame->name, 0);
	assert_string_equal(binary_path(b), "/opt/app");
	assert_int_equal(binary_build_id(b)->length, 20);
	otlp_result_release(&r);
}

static void cpu_time_becomes_samples_whose_sum_is_right(void **state)
{
	struct foreign f;
	struct otlp_result r;

	(void)state;
	foreign_init(&f);
	f.type = f.period;
	f.profile.period = 1000000;
	f.values[0] = 7 * 1000000 + 999999;
	assert_int_equal(send(&f, &r), 0);

	uint64_t sum = 0;

	for (uint32_t i = 0; i < r.windows[0]->sample_count; i++)
		sum += r.windows[0]->samples[i].weight;
	assert_int_equal(sum, 7);
	otlp_result_release(&r);
}

static void a_runtime_address_becomes_one_of_the_file(void **state)
{
	struct foreign f;
	struct otlp_result r;

	(void)state;
	foreign_init(&f);
	f.mapping[1].memory_start = 0x7f1234560000;
	f.mapping[1].memory_limit = 0x7f1234570000;
	f.mapping[1].file_offset = 0x2000;
	f.location[1].address = 0x7f1234560abc;
	assert_int_equal(send(&f, &r), 0);
	assert_int_equal(r.windows[0]->frames[0].addr, 0x2abc);
	otlp_result_release(&r);
}

static void names_that_came_along_are_kept(void **state)
{
	struct foreign f;
	struct otlp_result r;

	(void)state;
	foreign_init(&f);
	f.location[1].n_lines = 1, f.location[1].lines = f.lines;
	assert_int_equal(send(&f, &r), 0);
	assert_string_equal(strpool_get(&r.windows[0]->strings, r.windows[0]->frames[0].name),
			    "main");
	otlp_result_release(&r);
}

static void attributes_have_labels(void **state)
{
	char text[OTLP_LABEL_NAME_MAX];
	char longest[100];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[99] = '\0';
	assert_string_equal(otlp_label_of_attribute("k8s.pod.name", text), "pod");
	assert_string_equal(otlp_label_of_attribute("deployment.environment", text),
			    "deployment_environment");
	assert_string_equal(otlp_label_of_attribute("9\xc3\xa4", text), "___");
	assert_null(otlp_label_of_attribute("process.command_line", text));
	assert_null(otlp_label_of_attribute("telemetry.sdk.name", text));
	assert_null(otlp_label_of_attribute("", text));
	assert_null(otlp_label_of_attribute(longest, text));
	assert_string_equal(otlp_name_of_label("pid")->attribute, "process.pid");
	assert_null(otlp_name_of_label("nothing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_comes_back_as_it_was),
		cmocka_unit_test(a_host_is_added_where_none_is),
		cmocka_unit_test(values_without_times_are_spread),
		cmocka_unit_test(cpu_time_becomes_samples_whose_sum_is_right),
		cmocka_unit_test(a_runtime_address_becomes_one_of_the_file),
		cmocka_unit_test(names_that_came_along_are_kept),
		cmocka_unit_test(attributes_have_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
