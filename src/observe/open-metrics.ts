import { type Metric, Registry } from "prom-client";

/** Media type of OpenMetrics. Source: OpenMetrics 1.0. */
export const OPEN_METRICS = "application/openmetrics-text";

/** Creates a registry of metrics that may have exemplars. The library allows them only in registries of OpenMetrics. */
export function createExemplarRegistry(): Registry {
  const registry = new Registry();
  setOpenMetrics(registry);
  return registry;
}

/**
 * Creates a registry that writes the metrics of another one in one of the two formats. The library renames counters when it
 * writes OpenMetrics. It then renames these objects, which have everything else from the originals.
 */
export function createFormat(registry: Registry, isOpenMetrics: boolean): Registry {
  const format = new Registry();
  if (isOpenMetrics) setOpenMetrics(format);
  for (const metric of registry.getMetricsAsArray()) format.registerMetric(Object.create(metric) as Metric);
  return format;
}

/** The declared type of a registry has one format. */
function setOpenMetrics(registry: { setContentType(type: string): void }): void {
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
}
