/* SPDX-License-Identifier: Apache-2.0 */
#include "server/fleet/seen.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "server/fleet/hub_clients.h"

static struct otlp_id id_of(uint32_t number)
{
	struct otlp_id id = {.bytes = {1}};

	memcpy(id.bytes + 8, &number, sizeof(number));
	return id;
}

static int take(struct seen *s, uint32_t number)
{
	struct otlp_id id = id_of(number);
	int err = seen_claim(s, &id);

	if (!err)
		seen_settle(s, &id, 1, true);
	return err;
}

static void an_id_is_taken_once(void **state)
{
	struct otlp_id id = id_of(7);
	struct seen *s = NULL;

	(void)state;
	assert_int_equal(seen_open(NULL, 16, &s), 0);
	assert_int_equal(seen_claim(s, &id), 0);
	assert_int_equal(seen_claim(s, &id), -EBUSY);
	seen_settle(s, &id, 1, false);
	assert_int_equal(seen_claim(s, &id), 0);
	seen_settle(s, &id, 1, true);
	assert_int_equal(seen_claim(s, &id), -EALREADY);
	seen_close(s);
}

static void the_oldest_are_forgotten(void **state)
{
	struct seen *s = NULL;

	(void)state;
	assert_int_equal(seen_open(NULL, 100, &s), 0);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(take(s, i), 0);
	for (uint32_t i = 900; i < 1000; i++)
		assert_int_equal(take(s, i), -EALREADY);
	assert_int_equal(take(s, 899), 0);
	seen_close(s);
}

static void a_file_remembers(void **state)
{
	char path[] = "/tmp/hearth-seen-XXXXXX";
	int fd = mkstemp(path);
	struct seen *s = NULL;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(seen_open(path, 32, &s), 0);
		for (uint32_t i = 0; i < 20; i++)
			assert_int_equal(take(s, i), round ? -EALREADY : 0);
		seen_close(s);
	}

	/* Damaged: made anew, not believed. */
	FILE *f = fopen(path, "r+");

	fputs("garbage that is no header at all", f);
	fclose(f);
	assert_int_equal(seen_open(path, 32, &s), 0);
	assert_int_equal(take(s, 5), 0);
	seen_close(s);
	unlink(path);
}

static void a_client_waits_for_what_it_sent_too_much(void **state)
{
	struct hub_clients c;
	uint64_t now_ns = clock_now_ns();

	(void)state;
	assert_int_equal(hub_clients_init(&c, 1000, 10), 0);
	assert_int_equal(hub_clients_wait_s(&c, "a", now_ns), 0);
	hub_clients_charge(&c, "a", 18000);
	assert_in_range(hub_clients_wait_s(&c, "a", now_ns), 10, 11);
	assert_int_equal(hub_clients_wait_s(&c, "b", now_ns), 0);
	assert_int_equal(hub_clients_wait_s(&c, "a", now_ns + 11 * NS_PER_S), 0);
	hub_clients_release(&c);
}

static void clients_and_hosts_have_a_limit(void **state)
{
	struct hub_clients c;
	char name[32];

	(void)state;
	assert_int_equal(hub_clients_init(&c, 1000, 10), 0);
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof(name), "client%d", i);
		assert_int_equal(hub_clients_wait_s(&c, name, (uint64_t)i + 1), 0);
	}
	assert_int_equal(c.count, HUB_CLIENTS_MAX);
	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "host%d", i);
		assert_int_equal(hub_clients_host(&c, name), i < 10);
	}
	assert_true(hub_clients_host(&c, "host3"));
	hub_clients_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_is_taken_once),
		cmocka_unit_test(the_oldest_are_forgotten),
		cmocka_unit_test(a_file_remembers),
		cmocka_unit_test(a_client_waits_for_what_it_sent_too_much),
		cmocka_unit_test(clients_and_hosts_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
