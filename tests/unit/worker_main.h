/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For test programs that start worker processes: those are this very program, started again with another purpose.
 */
#ifndef HEARTH_TESTS_UNIT_WORKER_MAIN_H
#define HEARTH_TESTS_UNIT_WORKER_MAIN_H

#include <stdlib.h>
#include <string.h>

#include "symbolizer/symworker.h"

/* The C library hands a program's arguments to its constructors. */
__attribute__((constructor)) static void become_worker(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], SYMWORKER_COMMAND))
		exit(symworker_main(argc, argv));
}

#endif
