import { Counter, Gauge, type Registry } from "prom-client";

/** A value and its labels. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** A metric that is read when metrics are requested. */
export interface MetricRow<Source> {
  readonly kind: "counter" | "gauge";
  /** Without the prefix `carillon_`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  /** How the values of several processes become one. Default: their sum. */
  readonly aggregator?: "min" | "max" | "first";
  /** Returns the value, or the values of a metric with labels. */
  readonly read: (source: Source) => number | Iterable<Sample>;
}

/** Adds metrics whose values come from a source. */
export function addRows<Source>(registry: Registry, source: Source, rows: readonly MetricRow<Source>[]): void {
  for (const { aggregator = "sum", help, kind, labels = [], name, read } of rows) {
    const Kind = kind === "counter" ? Counter : Gauge;
    new Kind({
      name: `carillon_${name}`,
      help,
      aggregator,
      labelNames: [...labels],
      registers: [registry],
      collect() {
        this.reset();
        const values = read(source);
        if (typeof values === "number") this.inc(values);
        else for (const [sampleLabels, value] of values) this.inc(sampleLabels, value);
      },
    });
  }
}

/** Creates the samples of a metric with one label. */
export function* labelled<Value>(
  label: string,
  values: Readonly<Record<string, Value>> | ReadonlyMap<string, Value>,
  read: (value: Value) => number,
): Generator<Sample, void> {
  const entries = values instanceof Map ? values : Object.entries(values as Readonly<Record<string, Value>>);
  for (const [key, value] of entries) yield [{ [label]: key }, read(value)];
}

/** Creates the samples of a metric with one label from numbers. */
export function byLabel(
  label: string,
  values: Readonly<Record<string, number>> | ReadonlyMap<string, number>,
): Iterable<Sample> {
  return labelled(label, values, (value) => value);
}
