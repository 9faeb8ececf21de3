// SPDX-License-Identifier: Apache-2.0
#include "profiler/container_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "unit/check.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char root[64];

static int make_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/hearth-containers-XXXXXX");
	return !mkdtemp(root);
}

static int remove_root(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", root);

	char *argv[] = {(char *)"sh", (char *)"-c", command, NULL};
	pid_t pid = fork();

	if (!pid) {
		(void)execv("/bin/sh", argv);
		_exit(1);
	}
	return pid < 0;
}

static void write_file(const char *below, const char *text)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s%s", root, below);
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		(void)mkdir(path, 0700); /* may be there */
		*at = '/';
	}

	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void expect(const char *container, const char *pod, const char *pod_namespace,
		   const char *service)
{
	const char *const wanted[] = {container, pod, pod_namespace, service};
	struct container_names n;

	container_names_find(root, ID, &n);

	const char *const got[] = {n.container, n.pod, n.pod_namespace, n.service};

	for (size_t i = 0; i < ARRAY_SIZE(got); i++) {
		if (!wanted[i])
			assert_null(got[i]);
		else
			assert_string_equal(got[i] ? got[i] : "(none)", wanted[i]);
	}
	container_names_release(&n);
}

static void containerd_says_it_in_annotations(void **state)
{
	(void)state;
	write_file("/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID "/config.json",
		   "{\"ociVersion\":\"1.0.2\",\"process\":{},\"annotations\":{"
		   "\"io.kubernetes.cri.container-name\":\"web\","
		   "\"io.kubernetes.cri.container-type\":\"container\","
		   "\"io.kubernetes.cri.sandbox-name\":\"shop-7d\","
		   "\"io.kubernetes.cri.sandbox-namespace\":\"prod\"}}");
	expect("web", "shop-7d", "prod", NULL);
}

static void crio_and_podman_keep_theirs_elsewhere(void **state)
{
	(void)state;
	write_file(
		"/run/containers/storage/overlay-containers/" ID "/userdata/config.json",
		"{\"annotations\":{\"io.kubernetes.container.name\":\"db\","
		"\"io.kubernetes.pod.name\":\"pg-0\",\"io.kubernetes.pod.namespace\":\"data\"}}");
	expect("db", "pg-0", "data", NULL);
}

static void docker_has_a_name_and_labels(void **state)
{
	(void)state;
	write_file("/var/lib/docker/containers/" ID "/config.v2.json",
		   "{\"ID\":\"" ID "\",\"Name\":\"/shop-web-1\",\"Config\":{\"Labels\":{"
		   "\"com.docker.compose.service\":\"web\"}}}");
	expect("shop-web-1", NULL, NULL, "web");
}

static void kubelets_links_name_all_three(void **state)
{
	(void)state;
	write_file("/var/log/containers/other-1_ns_c-"
		   "ffff456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.log",
		   "");
	write_file("/var/log/containers/nonsense.log", "");
	write_file("/var/log/containers/_-" ID ".log", "");
	expect(NULL, NULL, NULL, NULL);
	write_file("/var/log/containers/api-6c4-x2_kube-system_side-car-" ID ".log", "");
	expect("side-car", "api-6c4-x2", "kube-system", NULL);
}

static void what_is_damaged_or_strange_says_nothing(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{\"annotations\":[]}",
		"{\"annotations\":{\"io.kubernetes.cri.container-name\":7}}",
		"{\"Name\":\"/\"}",
		"{\"Name\":\"\",\"Config\":null}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		write_file("/var/lib/docker/containers/" ID "/config.v2.json", texts[i]);
		expect(NULL, NULL, NULL, NULL);
	}

	struct container_names n;

	write_file("/config.v2.json", "{\"Name\":\"/escaped\"}");
	container_names_find(root, "../../../..", &n);
	assert_null(n.container);
	container_names_find(root, "", &n);
	assert_null(n.container);
}

static void a_long_name_is_cut(void **state)
{
	(void)state;
	char text[2048] = "{\"Name\":\"";
	struct container_names n;

	memset(text + 9, 'x', 1000);
	strcpy(text + 1009, "\"}");
	write_file("/var/lib/docker/containers/" ID "/config.v2.json", text);
	container_names_find(root, ID, &n);
	assert_int_equal(strlen(n.container), CONTAINER_NAME_LENGTH);
	container_names_release(&n);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(containerd_says_it_in_annotations),
		TEST(crio_and_podman_keep_theirs_elsewhere),
		TEST(docker_has_a_name_and_labels),
		TEST(kubelets_links_name_all_three),
		TEST(what_is_damaged_or_strange_says_nothing),
		TEST(a_long_name_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
