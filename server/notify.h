/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling systemd how the service is doing, by the protocol of sd_notify(3): a datagram to $NOTIFY_SOCKET.
 *
 * Thread rule: any thread.
 */
#ifndef HEARTH_SERVER_NOTIFY_H
#define HEARTH_SERVER_NOTIFY_H

#include <stdint.h>

/** Send "READY=1", "STOPPING=1", "WATCHDOG=1" or "STATUS=...". Does nothing where nobody listens. */
void notify_send(const char *state);

/** How often systemd wants to hear from us, half of WATCHDOG_USEC; 0 = not at all. */
uint64_t notify_watchdog_ns(void);

#endif
