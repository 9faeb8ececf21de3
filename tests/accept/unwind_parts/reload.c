/* SPDX-License-Identifier: Apache-2.0 */
/* Loads a library, burns CPU time in it and unloads it, again and again: reload LIBRARY SECONDS */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 2 ? atoi(argv[2]) : 5);

	while (argc > 1 && time(NULL) < end) {
		void *library = dlopen(argv[1], RTLD_NOW);
		void (*burn)(void) =
			library ? (void (*)(void))dlsym(library, "burn_library") : NULL;

		if (!burn)
			return 1;
		burn();
		(void)dlclose(library);
	}
	return 0;
}
