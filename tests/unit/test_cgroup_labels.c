/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/cgroup_labels.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "unit/check.h"

#define ID  "3b1b40f0d4a3a5c8e7a9d1f2c3b4a5968778695a4b3c2d1e0f9a8b7c6d5e4f30"
#define ID2 "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0000"
#define UID "8b2f2f62_1a2b_4c3d_9e4f_0a1b2c3d4e5f"

static const struct {
	const char *path, *unit, *container_id;
} vectors[] = {
	{"/", NULL, NULL},
	{"/system.slice/nginx.service", "nginx.service", NULL},
	{"/system.slice/system-postgresql.slice/postgresql@15-main.service",
	 "postgresql@15-main.service", NULL},
	{"/user.slice/user-1000.slice/session-3.scope", "session-3.scope", NULL},
	{"/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-1.scope",
	 "app-firefox-1.scope", NULL},
	{"/init.scope", "init.scope", NULL},
	{"/system.slice", NULL, NULL},
	/* docker, cgroupfs and systemd driver */
	{"/docker/" ID, NULL, ID},
	{"/system.slice/docker-" ID ".scope", "docker-" ID ".scope", ID},
	{"/docker/" ID "/system.slice/nginx.service", "nginx.service", ID},
	/* docker in docker: the inner one */
	{"/docker/" ID "/docker/" ID2, NULL, ID2},
	{"/docker/buildkit/" ID, NULL, ID},
	/* containerd by itself, and below systemd */
	{"/default/" ID, NULL, ID},
	{"/system.slice/containerd.service/kubepods-besteffort-pod" UID ".slice:cri-containerd:" ID,
	 NULL, ID},
	/* Kubernetes, cgroupfs driver */
	{"/kubepods/pod8b2f2f62-1a2b-4c3d-9e4f-0a1b2c3d4e5f/" ID, NULL, ID},
	{"/kubepods/burstable/pod8b2f2f62-1a2b-4c3d-9e4f-0a1b2c3d4e5f/" ID, NULL, ID},
	/* Kubernetes, systemd driver, each runtime */
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID
	 ".slice/cri-containerd-" ID ".scope",
	 "cri-containerd-" ID ".scope", ID},
	{"/kubepods.slice/kubepods-pod" UID ".slice/crio-" ID ".scope", "crio-" ID ".scope", ID},
	{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID ".slice/docker-" ID
	 ".scope",
	 "docker-" ID ".scope", ID},
	{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" UID
	 ".slice/cri-containerd-" ID ".scope/nested",
	 "cri-containerd-" ID ".scope", ID},
	/* CRI-O's helper is no container of its own name, its id is the container's */
	{"/kubepods.slice/kubepods-pod" UID ".slice/crio-conmon-" ID ".scope",
	 "crio-conmon-" ID ".scope", ID},
	/* podman, root and rootless */
	{"/machine.slice/libpod-" ID ".scope", "libpod-" ID ".scope", ID},
	{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container",
	 "libpod-" ID ".scope", ID},
	{"/machine.slice/libpod-conmon-" ID ".scope", "libpod-conmon-" ID ".scope", ID},
	/* ECS: the task's directory holds the container's; the form on Fargate */
	{"/ecs/0123456789abcdef0123456789abcdef/" ID, NULL, ID},
	{"/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-1234567890", NULL,
	 "0123456789abcdef0123456789abcdef-1234567890"},
	/* LXC */
	{"/lxc/web1", NULL, "web1"},
	{"/lxc.payload.web1", NULL, "web1"},
	{"/lxc.payload.web1/system.slice/cron.service", "cron.service", "web1"},
	/* near misses */
	{"/docker/3b1b40f0d4a3", NULL, NULL},
	{"/docker/" ID "0", NULL, NULL},
	{"/docker/0" ID, NULL, NULL},
	{"/docker/3B1B40F0D4A3A5C8E7A9D1F2C3B4A5968778695A4B3C2D1E0F9A8B7C6D5E4F30", NULL, NULL},
	{"/process_api/c7e96213d8ee85d18b30f5af2627e9f0", NULL, NULL},
	{"/x/0123456789abcdef0123456789abcdef-", NULL, NULL},
	{"//", NULL, NULL},
	{"/.service", NULL, NULL},
};

static void assert_text(const char *path, const char *got, const char *wanted)
{
	if ((!got != !wanted) || (got && strcmp(got, wanted) != 0))
		fail_msg("%s: got %s, not %s", path, got ? got : "nothing",
			 wanted ? wanted : "nothing");
}

static void paths_of_every_runtime(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		struct cgroup_labels *l;

		assert_int_equal(cgroup_labels_parse(vectors[i].path, &l), 0);
		assert_string_equal(l->path, vectors[i].path);
		assert_text(l->path, l->unit, vectors[i].unit);
		assert_text(l->path, l->container_id, vectors[i].container_id);
		cgroup_labels_unref(l);
	}
}

static void the_telling_hierarchy_is_chosen(void **state)
{
	static const struct {
		const char *text, *path;
	} files[] = {
		{"0::/system.slice/a.service\n", "/system.slice/a.service"},
		{"0::/\n", "/"},
		{"", "/"},
		{"nonsense\n1\n2:x\n", "/"},
		/* version 2 beats all when it says something */
		{"2:memory:/m\n1:name=systemd:/s\n0::/u\n", "/u"},
		{"2:memory:/m\n1:name=systemd:/s\n0::/\n", "/s"},
		{"9:name=systemd:/\n8:pids:/p\n4:memory:/m\n0::/\n", "/m"},
		{"3:cpu,cpuacct:/c\n2:pids:/p\n", "/c"},
		/* what the kernel charges, in as much detail as there is */
		{"2:cpuacct:/x\n4:memory:/m\n0::/\n", "/x"},
		{"4:memory:/m\n2:cpu,cpuacct:/x/y\n1:name=systemd:/s\n", "/x/y"},
		{"2:cpu,cpuacct:/system.slice\n1:name=systemd:/system.slice/a.service\n",
		 "/system.slice/a.service"},
		{"2:cpu,cpuacct:/sys\n1:name=systemd:/system.slice/a.service\n", "/sys"},
		{"5:devices:/d\n0::/\n", "/d"},
		{"0::/a:b/c:d\n", "/a:b/c:d"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char copy[256];

		strcpy(copy, files[i].text);
		assert_string_equal(cgroup_choose_path(copy), files[i].path);
	}
}

static void our_own_cgroup_is_found_and_kept(void **state)
{
	struct cgroup_cache c;
	struct cgroup_labels *first, *second;

	(void)state;
	cgroup_cache_init(&c);
	assert_int_equal(cgroup_cache_get(&c, 0, getpid(), &first), 0);
	assert_int_equal(cgroup_cache_get(&c, 0, getpid(), &second), 0);
	assert_ptr_equal(first, second);
	assert_int_equal(first->path[0], '/');
	cgroup_labels_unref(first);
	cgroup_labels_unref(second);
	assert_int_not_equal(cgroup_cache_get(&c, 0, INT32_MAX, &first), 0);
	cgroup_cache_release(&c);
}

/* Id of a cgroup: the inode of its directory. Returns 0 if there is no version 2 hierarchy to make one in. */
static uint64_t make_v2_cgroup(char *path, size_t size, const char *name)
{
	static const char *const mounts[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		(void)snprintf(path, size, "%s/cgroup.procs", mounts[i]);
		if (access(path, F_OK))
			continue;
		(void)snprintf(path, size, "%s/%s", mounts[i], name);
		if (!mkdir(path, 0755) && !stat(path, &st))
			return st.st_ino;
	}
	return 0;
}

static void an_id_of_version_2_names_its_directory(void **state)
{
	struct cgroup_cache c;
	struct cgroup_labels *l;
	char path[256], name[64], wanted[80];

	(void)state;
	(void)snprintf(name, sizeof(name), "hearth-test-%d.service", (int)getpid());
	(void)snprintf(wanted, sizeof(wanted), "/%s", name);
	uint64_t id = make_v2_cgroup(path, sizeof(path), name);
	assert_true(id);

	cgroup_cache_init(&c);
	/* No such process: only the id can tell. */
	int error = cgroup_cache_get(&c, id, INT32_MAX, &l);
	(void)rmdir(path);
	assert_int_equal(error, 0);
	assert_string_equal(l->path, wanted);
	assert_string_equal(l->unit, name);
	cgroup_labels_unref(l);

	/* It is gone, and still remembered; another cache cannot know it. */
	assert_int_equal(cgroup_cache_get(&c, id, INT32_MAX, &l), 0);
	cgroup_labels_unref(l);
	cgroup_cache_release(&c);
	cgroup_cache_init(&c);
	assert_int_not_equal(cgroup_cache_get(&c, id, INT32_MAX, &l), 0);
	cgroup_cache_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_of_every_runtime),
		cmocka_unit_test(the_telling_hierarchy_is_chosen),
		cmocka_unit_test(our_own_cgroup_is_found_and_kept),
		cmocka_unit_test(an_id_of_version_2_names_its_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
