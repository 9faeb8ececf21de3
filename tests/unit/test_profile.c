/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging windows, naming frames, and call trees.
 */
#include "server/query/profile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/query/calltree.h"
#include "tests/unit/window_fixture.h"

#define START (1000 * NS_PER_S)
#define END   (START + 10 * NS_PER_S)

static const char *const comm_and_pid[] = {"comm", "pid", NULL};
static struct symbolizer *const symbolizer = (struct symbolizer *)&fixture_got;

static struct profile *create(const char *const *labels)
{
	struct profile_options options = {.labels = labels};
	struct profile *p = NULL;

	assert_int_equal(profile_create(&options, &p), 0);
	return p;
}

static void equal_samples_of_two_windows_become_one(void **state)
{
	struct fixture a;
	struct fixture b;
	struct profile *p = create(comm_and_pid);

	(void)state;
	fixture_init(&a, START, END);
	fixture_init(&b, END, END + 10 * NS_PER_S);
	/* The same in another order, so that the indices differ. */
	fixture_samples(&a, 0, fixture_stack(&a, "main;work"), fixture_labels(&a, "comm=x,pid=1"),
			2);
	(void)fixture_stack(&b, "main;k:other");
	(void)fixture_labels(&b, "comm=y,pid=9");
	fixture_samples(&b, 0, fixture_stack(&b, "main;work"), fixture_labels(&b, "comm=x,pid=1"),
			3);

	assert_int_equal(profile_add_window(p, &a.w, NULL), 0);
	assert_int_equal(profile_add_window(p, &b.w, NULL), 0);
	assert_int_equal(p->sample_count, 1);
	assert_int_equal(p->samples[0].count, 5);
	assert_int_equal(p->samples[0].cpu_ns, 5 * FIXTURE_PERIOD);
	assert_int_equal(p->stack_count, 1);
	assert_int_equal(p->frame_count, 2);
	assert_int_equal(p->binary_count, 1); /* those nothing needs are left out */
	assert_int_equal(p->wall_from_ns, START);
	assert_int_equal(p->wall_to_ns, END + 10 * NS_PER_S);
	profile_destroy(p);
	fixture_release(&a);
	fixture_release(&b);
}

static void labels_not_kept_are_merged_away(void **state)
{
	struct fixture f;
	struct profile *p = create((const char *const[]){"comm", NULL});

	(void)state;
	fixture_init(&f, START, END);
	uint32_t stack = fixture_stack(&f, "main");
	fixture_samples(&f, 0, stack, fixture_labels(&f, "comm=x,pid=1"), 1);
	fixture_samples(&f, 0, stack, fixture_labels(&f, "comm=x,pid=2"), 1);
	fixture_samples(&f, 0, stack, fixture_labels(&f, "comm=y,pid=3"), 1);
	assert_int_equal(profile_add_window(p, &f.w, NULL), 0);
	assert_int_equal(p->sample_count, 2);
	assert_string_equal(profile_label_value(p, p->samples[0].labels, "comm"), "x");
	assert_null(profile_label_value(p, p->samples[0].labels, "pid"));
	assert_int_equal(p->samples[0].count, 2);
	profile_destroy(p);
	fixture_release(&f);
}

static void the_time_range_is_half_open_and_exact(void **state)
{
	struct fixture f;
	struct profile *p = create(NULL);
	struct profile_filter filter = {.wall_from_ns = START + NS_PER_S,
					.wall_to_ns = START + 2 * NS_PER_S};

	(void)state;
	fixture_init(&f, START, END);
	uint32_t stack = fixture_stack(&f, "main");
	uint32_t labels = fixture_labels(&f, "comm=x");
	fixture_samples(&f, NS_PER_S - NS_PER_US, stack, labels, 1);
	fixture_samples(&f, NS_PER_S, stack, labels, 10);
	fixture_samples(&f, 2 * NS_PER_S - NS_PER_US, stack, labels, 100);
	fixture_samples(&f, 2 * NS_PER_S, stack, labels, 1000);
	assert_int_equal(profile_add_window(p, &f.w, &filter), 0);
	assert_int_equal(p->total_count, 110);
	assert_int_equal(p->wall_from_ns, filter.wall_from_ns);
	assert_int_equal(p->wall_to_ns, filter.wall_to_ns);

	filter = (struct profile_filter){.wall_from_ns = END};
	assert_int_equal(profile_add_window(p, &f.w, &filter), 0);
	assert_int_equal(p->total_count, 110);
	assert_int_equal(p->window_count, 1);
	profile_destroy(p);
	fixture_release(&f);
}

static uint64_t count_selected(struct fixture *f, const char *text)
{
	struct selector *selector = NULL;
	struct label_filter *labels = NULL;
	struct profile *p = create(NULL);
	char error[256];

	assert_int_equal(selector_parse(text, &selector, error, sizeof(error)), 0);
	assert_int_equal(label_filter_create(selector, &labels), 0);

	struct profile_filter filter = {.labels = labels};

	assert_int_equal(profile_add_window(p, &f->w, &filter), 0);

	uint64_t count = p->total_count;

	label_filter_destroy(labels);
	selector_destroy(selector);
	profile_destroy(p);
	return count;
}

static void selectors_choose_label_sets(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, START, END);
	uint32_t stack = fixture_stack(&f, "main");
	fixture_samples(&f, 0, stack, fixture_labels(&f, "comm=nginx,pod=web-1"), 1);
	fixture_samples(&f, 0, stack, fixture_labels(&f, "comm=nginx,pod=db-1"), 10);
	fixture_samples(&f, 0, stack, fixture_labels(&f, "comm=bash"), 100);
	assert_int_equal(count_selected(&f, "cpu"), 111);
	assert_int_equal(count_selected(&f, "{comm=\"nginx\"}"), 11);
	assert_int_equal(count_selected(&f, "{comm=\"nginx\",pod=~\"web.*\"}"), 1);
	assert_int_equal(count_selected(&f, "{pod!~\"web.*\"}"), 110);
	assert_int_equal(count_selected(&f, "{pod=\"\"}"), 100);
	assert_int_equal(count_selected(&f, "{nothing=\"\"}"), 111);
	assert_int_equal(count_selected(&f, "{comm=\"ngin\"}"), 0);
	fixture_release(&f);
}

static void weights_and_periods_add_up_to_time(void **state)
{
	struct fixture a;
	struct fixture b;
	struct profile *p = create(NULL);

	(void)state;
	fixture_init(&a, START, END);
	fixture_init(&b, END, END + NS_PER_S);
	fixture_samples(&a, 0, fixture_stack(&a, "main"), fixture_labels(&a, "comm=x"), 1);
	fixture_samples(&b, 0, fixture_stack(&b, "main"), fixture_labels(&b, "comm=x"), 1);
	a.w.samples[0].weight = 4;
	b.w.period_ns = 50 * NS_PER_MS;
	assert_int_equal(profile_add_window(p, &a.w, NULL), 0);
	assert_int_equal(profile_add_window(p, &b.w, NULL), 0);
	assert_int_equal(p->total_count, 5);
	assert_int_equal(p->total_cpu_ns, 4 * FIXTURE_PERIOD + 50 * NS_PER_MS);
	assert_int_equal(p->period_ns, 50 * NS_PER_MS);
	profile_destroy(p);
	fixture_release(&a);
	fixture_release(&b);
}

static void verdicts_and_losses_are_carried_along(void **state)
{
	struct fixture f;
	struct profile *p = create(NULL);

	(void)state;
	fixture_init(&f, START, END);
	uint32_t labels = fixture_labels(&f, "comm=x");
	fixture_samples(&f, 0, fixture_stack(&f, "main"), labels, 3);
	uint32_t cut = fixture_stack(&f, "m:cut;main");
	f.w.stacks[cut].verdict = STACK_TRUNCATED;
	fixture_samples(&f, 0, cut, labels, 2);
	f.w.lost[LOST_RING_FULL] = 7;
	assert_int_equal(profile_add_window(p, &f.w, NULL), 0);
	assert_int_equal(p->verdicts[STACK_COMPLETE], 3);
	assert_int_equal(p->verdicts[STACK_TRUNCATED], 2);
	assert_int_equal(p->lost[LOST_RING_FULL], 7);
	profile_destroy(p);
	fixture_release(&f);
}

static void prefetching_names_nothing_and_waits_for_nothing(void **state)
{
	struct fixture f;
	struct profile *p = create(NULL);

	(void)state;
	fixture_init(&f, START, END);
	fixture_samples(&f, 0, fixture_stack(&f, "main;lib:a"), fixture_labels(&f, "comm=x"), 1);
	assert_int_equal(profile_add_window(p, &f.w, NULL), 0);
	fixture_got = fixture_wanted = 0;
	fixture_heat = 0;
	assert_int_equal(profile_prefetch(p, symbolizer), 0);
	assert_int_equal(fixture_got, 0);
	assert_int_equal(fixture_wanted, 2);
	assert_int_equal(fixture_heat, 2); /* its one sample has a frame in each */
	assert_int_equal(p->function_count, 0);
	profile_destroy(p);
	fixture_release(&f);
}

static const struct profile_function *function_of(const struct profile *p, uint32_t frame,
						  uint32_t line)
{
	assert_true(line < p->frames[frame].line_count);
	return &p->functions[p->lines[p->frames[frame].line_first + line].function];
}

static void frames_get_their_inline_chain_innermost_first(void **state)
{
	struct fixture f;
	struct profile *p = create(NULL);

	(void)state;
	fixture_init(&f, START, END);
	fixture_samples(&f, 0, fixture_stack(&f, "lib:outer<in"), fixture_labels(&f, "comm=x"), 1);
	assert_int_equal(profile_add_window(p, &f.w, NULL), 0);
	assert_int_equal(profile_symbolize(p, symbolizer, 42), 0);
	assert_int_equal(fixture_waited_until_ns, 42);
	assert_int_equal(p->frames[0].line_count, 2);

	const struct profile_function *in = function_of(p, 0, 0);
	const struct profile_function *outer = function_of(p, 0, 1);

	assert_string_equal(strpool_get(&p->strings, in->name), "in");
	assert_string_equal(strpool_get(&p->strings, in->system_name), "_Zinner");
	assert_string_equal(strpool_get(&p->strings, in->file), "/src/in.h");
	assert_int_equal(in->start_line, 20);
	assert_int_equal(in->kind, KIND_INLINED);
	assert_int_equal(p->lines[p->frames[0].line_first].line, 25);
	assert_string_equal(strpool_get(&p->strings, outer->name), "outer");
	assert_int_equal(outer->system_name, outer->name);
	assert_int_equal(outer->kind, KIND_NATIVE);
	profile_destroy(p);
	fixture_release(&f);
}

static void what_has_no_symbol_gets_the_name_of_its_binary(void **state)
{
	struct fixture f;
	struct profile *p = create(NULL);

	(void)state;
	fixture_init(&f, START, END);
	fixture_samples(&f, 0, fixture_stack(&f, "m:cut;lib:?;k:read;j:Foo"),
			fixture_labels(&f, "comm=x"), 1);
	assert_int_equal(profile_add_window(p, &f.w, NULL), 0);
	assert_int_equal(profile_symbolize(p, symbolizer, 0), 0);

	static const struct {
		const char *name;
		enum frame_kind kind;
		bool resolved;
	} expected[] = {
		{"Foo", KIND_JIT, true}, /* leaf first */
		{"read", KIND_KERNEL, true},
		{"[libwork.so]", KIND_NATIVE, false},
		{"cut", KIND_MARKER, true},
	};

	for (uint32_t i = 0; i < 4; i++) {
		const struct profile_function *fn = function_of(p, p->stack_frames[i], 0);

		assert_string_equal(strpool_get(&p->strings, fn->name), expected[i].name);
		assert_int_equal(fn->kind, expected[i].kind);
		assert_int_equal(fn->resolved, expected[i].resolved);
	}
	profile_destroy(p);
	fixture_release(&f);
}

static void without_a_symbolizer_every_frame_still_has_a_name(void **state)
{
	struct fixture f;
	struct profile *p = create(NULL);

	(void)state;
	fixture_init(&f, START, END);
	fixture_samples(&f, 0, fixture_stack(&f, "main;lib:a;lib:b;k:x"),
			fixture_labels(&f, "comm=x"), 1);
	assert_int_equal(profile_add_window(p, &f.w, NULL), 0);
	assert_int_equal(profile_symbolize(p, NULL, 0), 0);
	for (uint32_t i = 0; i < p->frame_count; i++)
		assert_int_equal(p->frames[i].line_count, 1);
	assert_int_equal(p->function_count, 3); /* [app], [libwork.so], x */
	profile_destroy(p);
	fixture_release(&f);
}

static void the_memory_limit_ends_a_merge(void **state)
{
	struct fixture f;
	struct profile_options options = {.limit_bytes = 1000};
	struct profile *p = NULL;

	(void)state;
	fixture_init(&f, START, END);
	fixture_samples(&f, 0, fixture_stack(&f, "a;b;c;d"), fixture_labels(&f, "comm=x"), 1);
	assert_int_equal(profile_create(&options, &p), 0);
	assert_int_equal(profile_add_window(p, &f.w, NULL), -EFBIG);
	profile_destroy(p);
	fixture_release(&f);
}

/* --- call trees ----------------------------------------------------------------------------------- */

static struct profile *symbolized(struct fixture *f)
{
	struct profile *p = create(comm_and_pid);

	assert_int_equal(profile_add_window(p, &f->w, NULL), 0);
	assert_int_equal(profile_symbolize(p, symbolizer, 0), 0);
	return p;
}

static const char *tree_name(const struct calltree *t, uint32_t node)
{
	return strpool_get(&t->keys.strings, t->keys.keys[t->nodes[node].key].name);
}

/* "name self/total(child child)" of a subtree, into one text. */
static void print_tree(const struct calltree *t, uint32_t node, char *text, size_t size)
{
	size_t at = strlen(text);

	snprintf(text + at, size - at, "%s %lu/%lu", tree_name(t, node),
		 (unsigned long)t->nodes[node].self[0], (unsigned long)t->nodes[node].total[0]);
	if (t->nodes[node].first_child == CALLTREE_NONE)
		return;
	strcat(text, "(");
	for (uint32_t c = t->nodes[node].first_child; c != CALLTREE_NONE;
	     c = t->nodes[c].next_sibling) {
		print_tree(t, c, text, size);
		if (t->nodes[c].next_sibling != CALLTREE_NONE)
			strcat(text, " ");
	}
	strcat(text, ")");
}

static int tree_text(const struct profile *p, const struct calltree_view *view, char *text,
		     size_t size)
{
	struct calltree *t = NULL;

	assert_int_equal(calltree_create(&t), 0);
	assert_int_equal(calltree_add(t, p, SIDE_MAIN), 0);

	int err = calltree_finish(t, view);

	text[0] = '\0';
	if (!err)
		print_tree(t, 0, text, size);
	calltree_destroy(t);
	return err;
}

static struct profile *small_tree(struct fixture *f)
{
	fixture_init(f, START, END);
	uint32_t x = fixture_labels(f, "comm=x,pid=1");
	uint32_t y = fixture_labels(f, "comm=y,pid=2");
	fixture_samples(f, 0, fixture_stack(f, "main;lib:work<in"), x, 60);
	fixture_samples(f, 0, fixture_stack(f, "main;lib:work<in;k:read"), x, 30);
	fixture_samples(f, 0, fixture_stack(f, "main;aaa"), x, 1);
	fixture_samples(f, 0, fixture_stack(f, "main;zzz;deep"), x, 2);
	fixture_samples(f, 0, fixture_stack(f, "main"), y, 7);
	return symbolized(f);
}

static void call_trees_start_with_comm_and_sort_children(void **state)
{
	struct fixture f;
	struct profile *p = small_tree(&f);
	struct calltree_view view = {0};
	char text[1024];

	(void)state;
	assert_int_equal(tree_text(p, &view, text, sizeof(text)), 0);
	assert_string_equal(text, " 0/100(x 0/93(main 0/93(aaa 1/1 work 0/90(in 60/90(read 30/30)) "
				  "zzz 0/2(deep 2/2))) y 0/7(main 7/7))");
	profile_destroy(p);
	fixture_release(&f);
}

static void small_frames_are_gathered_and_sums_stay(void **state)
{
	struct fixture f;
	struct profile *p = small_tree(&f);
	struct calltree_view view = {.min_share = 0.05};
	char text[1024];

	(void)state;
	assert_int_equal(tree_text(p, &view, text, sizeof(text)), 0);
	assert_string_equal(text,
			    " 0/100(x 0/93(main 0/93((3 small frames) 3/3 work 0/90(in 60/90(read "
			    "30/30)))) y 0/7(main 7/7))");
	profile_destroy(p);
	fixture_release(&f);
}

static void a_path_shows_one_branch_whole(void **state)
{
	struct fixture f;
	struct profile *p = small_tree(&f);
	const char *const path[] = {"x", "main", "zzz"};
	struct calltree_view view = {.min_share = 0.05, .path = path, .path_count = 3};
	const char *const nowhere[] = {"x", "nowhere"};
	char text[1024];

	(void)state;
	assert_int_equal(tree_text(p, &view, text, sizeof(text)), 0);
	assert_string_equal(text,
			    " 0/100((2 small frames) 7/7 x 0/93(main 0/93((4 small frames) 91/91 "
			    "zzz 0/2(deep 2/2))))");
	view.path = nowhere;
	view.path_count = 2;
	assert_int_equal(tree_text(p, &view, text, sizeof(text)), -ENOENT);
	profile_destroy(p);
	fixture_release(&f);
}

static void two_profiles_share_one_tree(void **state)
{
	struct fixture f;
	struct fixture g;
	struct profile *p = small_tree(&f);
	struct calltree *t = NULL;
	struct calltree_view view = {0};

	(void)state;
	fixture_init(&g, START, END);
	fixture_samples(&g, 0, fixture_stack(&g, "main;fresh"), fixture_labels(&g, "comm=y,pid=4"),
			5);
	struct profile *base = symbolized(&g);

	assert_int_equal(calltree_create(&t), 0);
	assert_int_equal(calltree_add(t, p, SIDE_MAIN), 0);
	assert_int_equal(calltree_add(t, base, SIDE_BASE), 0);
	assert_int_equal(calltree_finish(t, &view), 0);
	assert_int_equal(t->nodes[0].total[SIDE_MAIN], 100);
	assert_int_equal(t->nodes[0].total[SIDE_BASE], 5);

	uint32_t y = t->nodes[t->nodes[0].first_child].next_sibling;
	uint32_t main_node = t->nodes[y].first_child;

	assert_string_equal(tree_name(t, main_node), "main");
	assert_int_equal(t->nodes[main_node].self[SIDE_MAIN], 7);
	assert_int_equal(t->nodes[main_node].total[SIDE_BASE], 5);
	calltree_destroy(t);
	profile_destroy(p);
	profile_destroy(base);
	fixture_release(&f);
	fixture_release(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_samples_of_two_windows_become_one),
		cmocka_unit_test(labels_not_kept_are_merged_away),
		cmocka_unit_test(the_time_range_is_half_open_and_exact),
		cmocka_unit_test(selectors_choose_label_sets),
		cmocka_unit_test(weights_and_periods_add_up_to_time),
		cmocka_unit_test(verdicts_and_losses_are_carried_along),
		cmocka_unit_test(prefetching_names_nothing_and_waits_for_nothing),
		cmocka_unit_test(frames_get_their_inline_chain_innermost_first),
		cmocka_unit_test(what_has_no_symbol_gets_the_name_of_its_binary),
		cmocka_unit_test(without_a_symbolizer_every_frame_still_has_a_name),
		cmocka_unit_test(the_memory_limit_ends_a_merge),
		cmocka_unit_test(call_trees_start_with_comm_and_sort_children),
		cmocka_unit_test(small_frames_are_gathered_and_sums_stay),
		cmocka_unit_test(a_path_shows_one_branch_whole),
		cmocka_unit_test(two_profiles_share_one_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
