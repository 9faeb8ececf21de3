/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why frames of a binary have no name, and the command that mends it.
 *
 * Thread rule: pure functions, but mend_distribution(), which reads a file.
 */
#ifndef HEARTH_SERVER_QUERY_MEND_H
#define HEARTH_SERVER_QUERY_MEND_H

#include <stdbool.h>

#include "profiler/table_ledger.h"
#include "symbolizer/symbolizer.h"

#define MEND_WHY_BYTES	   640
#define MEND_COMMAND_BYTES 320

/** Families of distributions that package debug information in the same way. */
enum distribution {
	DISTRIBUTION_UNKNOWN,
	DISTRIBUTION_DEBIAN,
	DISTRIBUTION_UBUNTU,
	DISTRIBUTION_FEDORA, /* and what follows it: RHEL, CentOS, Rocky, Alma */
	DISTRIBUTION_SUSE,
	DISTRIBUTION_ARCH,
	DISTRIBUTION_ALPINE,
};

struct mend {
	char why[MEND_WHY_BYTES];	  /* one line for a person */
	char command[MEND_COMMAND_BYTES]; /* to be typed as it stands; "" = there is none */
};

/** What is known of a binary that has frames without a name. */
struct mend_case {
	enum binary_kind kind;
	const char *path;
	const char *comm;		    /* of the process; NULL = unknown */
	const char *package;		    /* that the file belongs to; "" = none */
	const struct symbol_facts *symbols; /* NULL = none were looked for */
	enum distribution distribution;
	bool of_host; /* the file lies on this machine, not in a container */
};

/** Read os-release(5). @path: NULL = /etc/os-release. */
enum distribution mend_distribution(const char *path);

/** Say why frames have no name and what mends it. */
void mend_symbols(const struct mend_case *c, struct mend *ret);

/** Say why stacks end early in a binary; false if its table is no reason. */
bool mend_unwinding(const struct table_facts *facts, struct mend *ret);

#endif
