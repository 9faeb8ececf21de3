/* SPDX-License-Identifier: Apache-2.0 */
#include "server/fleet/otlp_names.h"

#include <ctype.h>
#include <string.h>

#include "base/array.h"

static const struct otlp_name names[] = {
	{"host", "host.name", true, false},
	{"service_name", "service.name", true, false},
	{"container_id", "container.id", true, false},
	{"container", "k8s.container.name", true, false},
	{"pod", "k8s.pod.name", true, false},
	{"namespace", "k8s.namespace.name", true, false},
	{"comm", "process.executable.name", false, false},
	{"exe", "process.executable.path", false, false},
	{"pid", "process.pid", false, true},
	{"thread", "thread.name", false, false},
	{"tid", "thread.id", false, true},
};

/* What becomes no label; a dot at the end stands for everything below. */
static const char *const left_out[] = {
	"process.command",	"process.command_line",
	"process.command_args", "process.creation.time",
	"telemetry.",		"os.",
	"process.runtime.",	"hearth.",
	"cpu.logical_number",
};

const struct otlp_name *otlp_name_of_label(const char *label)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i].label, label))
			return &names[i];
	return NULL;
}

static bool is_left_out(const char *attribute)
{
	for (size_t i = 0; i < ARRAY_SIZE(left_out); i++) {
		size_t length = strlen(left_out[i]);
		bool below = left_out[i][length - 1] == '.';

		if (below ? !strncmp(attribute, left_out[i], length)
			  : !strcmp(attribute, left_out[i]))
			return true;
	}
	return false;
}

const char *otlp_label_of_attribute(const char *attribute, char *text)
{
	size_t length = strlen(attribute);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i].attribute, attribute))
			return names[i].label;
	if (!length || length >= OTLP_LABEL_NAME_MAX || is_left_out(attribute))
		return NULL;
	for (size_t i = 0; i <= length; i++) {
		unsigned char c = (unsigned char)attribute[i];

		text[i] = (char)(!c || (c < 0x80 && isalnum(c)) ? c : '_');
	}
	if (isdigit((unsigned char)text[0]))
		text[0] = '_';
	return text;
}
