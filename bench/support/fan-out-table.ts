import { FAULTS_HEAD, formatFaults } from "./counts.js";
import type { Measured } from "./fan-out.js";
import type { Part } from "./report.js";
import { median, spread } from "./table.js";

/** Results of one contender at one setting. */
export interface Line {
  /** Setting, if there is more than one. */
  readonly setting?: string;
  readonly name: string;
  readonly results: readonly Measured[];
  /** Results that its CPU time is compared with. */
  readonly beside: readonly Measured[];
}

export function cpuOf(results: readonly Measured[] | undefined): number {
  return median(results?.map(({ cpu }) => cpu) ?? []);
}

/**
 * @param setting - title of the column of settings
 * @param beside - name of the results that CPU time is compared with
 */
export function fanOutTable(setting: string | undefined, beside: string, lines: readonly Line[]): Part {
  return {
    head: [
      ...(setting === undefined ? [] : [setting]),
      "server",
      "CPU µs per delivery",
      `vs ${beside}`,
      "deliveries/s",
      FAULTS_HEAD,
    ],
    rows: lines.map((line) => [
      ...(setting === undefined ? [] : [line.setting ?? ""]),
      line.name,
      spread(
        line.results.map(({ cpu }) => cpu),
        2,
      ),
      `${(cpuOf(line.results) / cpuOf(line.beside)).toFixed(2)} ×`,
      `${spread(
        line.results.map(({ perSecond }) => perSecond / 1_000),
        0,
      )} k`,
      formatFaults(line.results.map(({ faults }) => faults)),
    ]),
  };
}
