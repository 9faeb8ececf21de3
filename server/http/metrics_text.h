/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus' text format 0.0.4, piece by piece.
 *
 * Thread rule: as the buffer.
 */
#ifndef HEARTH_SERVER_HTTP_METRICS_TEXT_H
#define HEARTH_SERVER_HTTP_METRICS_TEXT_H

#include "base/buffer.h"

struct service;

/** Begin a family. @type: "counter" or "gauge". */
void metric_family(struct buffer *out, const char *name, const char *type, const char *help);

/** A sample of the family. @label: NULL = none. */
void metric_sample(struct buffer *out, const char *name, const char *label, const char *value,
		   double number);

/** A family of one sample. */
void metric_single(struct buffer *out, const char *name, const char *type, const char *help,
		   double number);

/** What a hub takes in and an agent sends. */
void metrics_put_fleet(struct buffer *out, const struct service *service);

#endif
