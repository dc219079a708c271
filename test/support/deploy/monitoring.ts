import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { packageRoot } from "../../../src/util/package-root.js";

/** An alert of deploy/prometheus/alerts.yml. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Readonly<Record<"summary" | "description" | "runbook", string>>;
}

interface Panel {
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: unknown;
  readonly targets?: readonly { readonly expr: string; readonly datasource: unknown }[];
}

/** The parts of a Grafana board that tests look at. */
export interface Board {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
}

export function readAlerts(): readonly AlertRule[] {
  const { groups } = parse(readDeployed("prometheus/alerts.yml")) as {
    readonly groups: readonly { readonly rules: readonly AlertRule[] }[];
  };
  return groups.flatMap(({ rules }) => rules);
}

export function readBoard(): Board {
  return JSON.parse(readDeployed("grafana/carillon.json")) as Board;
}

/** Reads a file of deploy/. */
export function readDeployed(path: string): string {
  return readFileSync(join(packageRoot, "deploy", path), "utf8");
}

/** Names of the metrics in PromQL expressions, with the suffixes of histograms removed. */
export function metricsIn(expressions: readonly string[]): string[] {
  const names = expressions.flatMap((text) => text.match(/\b(?:carillon|process|nodejs)_\w+/g) ?? []);
  return [...new Set(names.map((name) => name.replace(/_(?:bucket|sum|count)$/, "")))].toSorted();
}
