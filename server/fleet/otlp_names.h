/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels and what OpenTelemetry calls them.
 *
 *	host		host.name			of the resource
 *	service_name	service.name			of the resource
 *	container_id	container.id			of the resource
 *	container	k8s.container.name		of the resource
 *	pod		k8s.pod.name			of the resource
 *	namespace	k8s.namespace.name		of the resource
 *	comm		process.executable.name		of the sample
 *	exe		process.executable.path		of the sample
 *	pid		process.pid, a number		of the sample
 *	thread		thread.name			of the sample
 *	tid		thread.id, a number		of the sample
 *
 * Any other label goes by its own name, any other attribute becomes a label of its name with '_' in place of what a
 * label's name cannot have. Attributes that may hold secrets (command lines) or say nothing of the code that ran are
 * left out.
 *
 * Source: OpenTelemetry semantic conventions, "Profiles", "Process", "Kubernetes".
 * Thread rule: no state.
 */
#ifndef HEARTH_SERVER_FLEET_OTLP_NAMES_H
#define HEARTH_SERVER_FLEET_OTLP_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define OTLP_LABEL_NAME_MAX 64 /* bytes of a label's name, the NUL counted */

#define OTLP_SCOPE	    "hearth" /* name of our own scope: who made the batch */
#define OTLP_BUILD_ID	    "process.executable.build_id.gnu"
#define OTLP_BUILD_GO	    "process.executable.build_id.go"
#define OTLP_BUILD_HTL	    "process.executable.build_id.htlhash"
#define OTLP_BUILD_HASH	    "hearth.build_id.hash" /* identity made of a hash, by binary_open() */
#define OTLP_FRAME_TYPE	    "profile.frame.type"
#define OTLP_FRAME_KERNEL   "kernel"
#define OTLP_FRAME_NATIVE   "native"
#define OTLP_FRAME_JIT	    "hearth.jit"
#define OTLP_FRAME_MARKER   "hearth.marker"
#define OTLP_CPU	    "cpu.logical_number"
#define OTLP_VERDICT	    "hearth.stack.verdict"
#define OTLP_LOST	    "hearth.lost." /* + reason: samples lost, of a profile */

/** An attribute that stands for a label. */
struct otlp_name {
	const char *label;
	const char *attribute;
	bool resource; /* belongs to the resource, not to the sample */
	bool number;   /* sent as a number */
};

/** The row of a label; NULL if it goes by its own name. */
const struct otlp_name *otlp_name_of_label(const char *label);

/**
 * The label of an attribute.
 *
 * @text: room for OTLP_LABEL_NAME_MAX bytes
 *
 * Returns a name, constant or @text; NULL if the attribute becomes no label.
 */
const char *otlp_label_of_attribute(const char *attribute, char *text);

#endif
