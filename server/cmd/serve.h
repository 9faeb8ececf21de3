/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to `hearth serve`: its options.
 */
#ifndef HEARTH_SERVER_CMD_SERVE_H
#define HEARTH_SERVER_CMD_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/http/server.h"

struct serve_options {
	const char *listen_text; /* as given */
	struct listen_address listen;
	const char *data_dir;
	uint32_t frequency_hz;
	uint64_t bpf_memory_bytes;
	uint64_t retention_ns; /* 0 = as long as there is room */
	uint64_t disk_bytes;
	bool memory_store;
	bool insecure;
	bool no_sampling;
};

/**
 * Read flags and environment: flag before HEARTH_* variable before default. Prints help and errors.
 *
 * @ret_status: exit status if it returns false
 *
 * Returns whether to go on.
 */
bool serve_parse(int argc, char **argv, struct serve_options *ret, int *ret_status);

#endif
