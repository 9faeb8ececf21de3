/* SPDX-License-Identifier: Apache-2.0 */
#include "server/fleet/hub.h"
#include "server/http/metrics_text.h"
#include "server/http/service.h"

static void put_hub(struct buffer *out, struct hub *hub)
{
	struct hub_stats s;

	hub_stats(hub, &s);
	metric_family(out, "hearth_hub_batches_total", "counter", "Batches that came, by result.");
	metric_sample(out, "hearth_hub_batches_total", "result", "taken", (double)s.batches);
	metric_sample(out, "hearth_hub_batches_total", "result", "refused",
		      (double)s.batches_refused);
	metric_family(out, "hearth_hub_profiles_total", "counter",
		      "Profiles in batches, by what became of them.");
	metric_sample(out, "hearth_hub_profiles_total", "result", "taken", (double)s.profiles);
	metric_sample(out, "hearth_hub_profiles_total", "result", "repeated",
		      (double)s.profiles_repeated);
	metric_sample(out, "hearth_hub_profiles_total", "result", "rejected",
		      (double)s.profiles_rejected);
	metric_single(out, "hearth_hub_samples_total", "counter", "Samples taken in.",
		      (double)s.samples);
	metric_single(out, "hearth_hub_body_bytes_total", "counter",
		      "Bytes of batches as they came.", (double)s.body_bytes);
	metric_single(out, "hearth_hub_plain_bytes_total", "counter",
		      "Bytes of batches when decompressed.", (double)s.plain_bytes);
	metric_single(out, "hearth_hub_labels_dropped_total", "counter",
		      "Attributes beyond what a sample may have.", (double)s.labels_dropped);
	metric_single(out, "hearth_hub_hosts", "gauge", "Hosts that sent since the start.",
		      (double)s.hosts);
	metric_single(out, "hearth_hub_clients", "gauge", "Clients that sent since the start.",
		      (double)s.clients);
}

void metrics_put_fleet(struct buffer *out, const struct service *service)
{
	if (service->hub)
		put_hub(out, service->hub);
}
