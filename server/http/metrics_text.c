/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/metrics_text.h"

void metric_family(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metric_sample(struct buffer *out, const char *name, const char *label, const char *value,
		   double number)
{
	buffer_puts(out, name);
	if (label)
		buffer_printf(out, "{%s=\"%s\"}", label, value);
	buffer_printf(out, " %.17g\n", number);
}

void metric_single(struct buffer *out, const char *name, const char *type, const char *help,
		   double number)
{
	metric_family(out, name, type, help);
	metric_sample(out, name, NULL, NULL, number);
}
