/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of /proc/PID/maps, the text of stat and cgroup: paths and names in them are the process's own. */
#include "fuzz/fuzz.h"

#include "profiler/cgroup_labels.h"
#include "profiler/procfs.h"

static void read_maps(char *text)
{
	char *rest = text;

	for (char *line; (line = strsep(&rest, "\n"));) {
		struct procfs_mapping m;

		if (!procfs_parse_mapping(line, &m)) {
			if (m.end <= m.start)
				abort();
			fuzz_sink += strlen(m.path);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *maps = fuzz_string(data, size);
	char *stat = fuzz_string(data, size);
	char *cgroup = fuzz_string(data, size);
	struct cgroup_labels *labels;
	struct procfs_stat found;

	read_maps(maps);
	fuzz_sink += (size_t)procfs_parse_stat(stat, &found);

	const char *path = cgroup_choose_path(cgroup);

	if (path && !cgroup_labels_parse(path, &labels)) {
		fuzz_sink += strlen(labels->path);
		cgroup_labels_unref(labels);
	}
	free(maps);
	free(stat);
	free(cgroup);
	return 0;
}
