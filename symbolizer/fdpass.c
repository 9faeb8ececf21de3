/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int fdpass_send(int socket, const void *bytes, size_t length, const int *fds, size_t fd_count)
{
	union {
		char bytes[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
		struct cmsghdr aligned;
	} control = {0};
	struct iovec part = {(void *)bytes, length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd_count > FDPASS_MAX)
		return -E2BIG;
	if (fd_count) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));

		struct cmsghdr *head = CMSG_FIRSTHDR(&message);

		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, fd_count * sizeof(int));
	}
	for (;;) {
		if (sendmsg(socket, &message, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

ssize_t fdpass_receive(int socket, void *bytes, size_t size, int *fds, size_t *ret_fd_count)
{
	union {
		char bytes[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
		struct cmsghdr aligned;
	} control = {0};
	struct iovec part = {bytes, size};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t count;

	*ret_fd_count = 0;
	do
		count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		return -errno;

	for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head;
	     head = CMSG_NXTHDR(&message, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;

		size_t fd_count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (fd_count > FDPASS_MAX - *ret_fd_count)
			fd_count = FDPASS_MAX - *ret_fd_count;
		memcpy(fds + *ret_fd_count, CMSG_DATA(head), fd_count * sizeof(int));
		*ret_fd_count += fd_count;
	}
	if (!(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return count;
	for (size_t i = 0; i < *ret_fd_count; i++)
		(void)close(fds[i]); /* of a message that is refused */
	*ret_fd_count = 0;
	return -EBADMSG;
}
