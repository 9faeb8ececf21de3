/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/fdpass.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "unit/check.h"

struct pair {
	int ends[2];
};

static int make_pair(void **state)
{
	static struct pair pair;

	*state = &pair;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.ends);
}

static int close_pair(void **state)
{
	struct pair *p = *state;

	for (int i = 0; i < 2; i++)
		if (p->ends[i] >= 0)
			(void)close(p->ends[i]);
	return 0;
}

static int open_fd_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

static void bytes_and_descriptors_arrive(void **state)
{
	struct pair *p = *state;
	auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	auto_close int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int sent[] = {null, zero}, received[FDPASS_MAX];
	char bytes[16];
	size_t count;

	assert_int_equal(fdpass_send(p->ends[0], "hello", 6, sent, 2), 0);
	assert_int_equal(fdpass_receive(p->ends[1], bytes, sizeof(bytes), received, &count), 6);
	assert_string_equal(bytes, "hello");
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++) {
		struct stat a, b;

		assert_int_equal(fstat(sent[i], &a), 0);
		assert_int_equal(fstat(received[i], &b), 0);
		assert_true(a.st_rdev == b.st_rdev);
		assert_true(fcntl(received[i], F_GETFD) & FD_CLOEXEC);
		(void)close(received[i]);
	}
}

static void messages_without_descriptors_and_the_end(void **state)
{
	struct pair *p = *state;
	int received[FDPASS_MAX];
	char byte;
	size_t count = 99;

	assert_int_equal(fdpass_send(p->ends[0], "x", 1, NULL, 0), 0);
	assert_int_equal(fdpass_receive(p->ends[1], &byte, 1, received, &count), 1);
	assert_int_equal(count, 0);
	(void)close(p->ends[0]);
	p->ends[0] = -1;
	assert_int_equal(fdpass_receive(p->ends[1], &byte, 1, received, &count), 0);
	assert_int_equal(fdpass_send(p->ends[1], "x", 1, NULL, 0), -EPIPE);
}

static void too_many_descriptors_are_not_sent(void **state)
{
	struct pair *p = *state;
	int fds[FDPASS_MAX + 1] = {0};

	assert_int_equal(fdpass_send(p->ends[0], "x", 1, fds, FDPASS_MAX + 1), -E2BIG);
}

/* A message that does not fit is refused, and the descriptors that came with it are not leaked. */
static void oversized_message_leaves_no_descriptor_open(void **state)
{
	struct pair *p = *state;
	auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int fds[] = {null, null, null}, received[FDPASS_MAX];
	char bytes[4];
	size_t count;
	int before = open_fd_count();

	assert_int_equal(fdpass_send(p->ends[0], "too long", 8, fds, 3), 0);
	assert_int_equal(fdpass_receive(p->ends[1], bytes, sizeof(bytes), received, &count),
			 -EBADMSG);
	assert_int_equal(count, 0);
	assert_int_equal(open_fd_count(), before);
}

/* One who speaks the protocol of the kernel but not ours: more descriptors than there is room for. */
static void more_descriptors_than_room_are_refused(void **state)
{
	enum { MANY = FDPASS_MAX + 20 };
	struct pair *p = *state;
	union {
		char bytes[CMSG_SPACE(MANY * sizeof(int))];
		struct cmsghdr aligned;
	} control = {0};
	char byte = 'x';
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	int fds[MANY] = {0}, received[FDPASS_MAX];
	size_t count;
	int before = open_fd_count();

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(head), fds, sizeof(fds));
	assert_int_equal(sendmsg(p->ends[0], &message, 0), 1);
	assert_int_equal(fdpass_receive(p->ends[1], &byte, 1, received, &count), -EBADMSG);
	assert_int_equal(open_fd_count(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bytes_and_descriptors_arrive, make_pair,
						close_pair),
		cmocka_unit_test_setup_teardown(messages_without_descriptors_and_the_end, make_pair,
						close_pair),
		cmocka_unit_test_setup_teardown(too_many_descriptors_are_not_sent, make_pair,
						close_pair),
		cmocka_unit_test_setup_teardown(oversized_message_leaves_no_descriptor_open,
						make_pair, close_pair),
		cmocka_unit_test_setup_teardown(more_descriptors_than_room_are_refused, make_pair,
						close_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
