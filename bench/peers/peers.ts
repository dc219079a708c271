import type { Benchmark, Options } from "../support/report.js";
import { measureConnects } from "./connecting.js";
import { measureDelivery } from "./delivery.js";
import type { Field } from "./field.js";
import { measureGrpc } from "./grpc.js";
import { measureIdleGrpc } from "./grpc-idle.js";
import { measureSubscribers } from "./idle.js";
import { measureLatency } from "./latency.js";
import { measurePublishes } from "./publishing.js";
import type { Section } from "./section.js";

type Measure = (field: Field, options: Options) => Promise<Section>;

/** Parts of the comparison, by their names for `--only`. */
const SECTIONS: ReadonlyMap<string, Measure> = new Map([
  ["delivery", measureDelivery],
  ["publishing", measurePublishes],
  ["grpc", measureGrpc],
  ["grpc-idle", measureIdleGrpc],
  ["idle", measureSubscribers],
  ["connecting", measureConnects],
  ["latency", measureLatency],
]);

/** Compares Carillon with Centrifugo, and with what a server must do at least. scripts/lib/peers.mjs names the programs. */
export const peers: Benchmark = async (options) => {
  const field: Field = { centrifugo: process.env["CENTRIFUGO"], floor: process.env["C_FLOOR"] };
  const sections: Section[] = [];
  for (const [name, measure] of SECTIONS) {
    if (name.includes(options.only ?? "")) sections.push(await measure(field, options));
  }
  const { CENTRIFUGO_MISSING, CENTRIFUGO_VERSION, C_FLOOR_MISSING } = process.env;
  return {
    how: [
      "The servers took turns, round by round. CPU is the user and system time of the server's process.",
      ...(field.centrifugo === undefined
        ? [`Centrifugo is skipped: ${CENTRIFUGO_MISSING}.`]
        : [`The peer is ${CENTRIFUGO_VERSION}.`]),
      ...(field.floor === undefined ? [`The C floor is skipped: ${C_FLOOR_MISSING}.`] : []),
    ].join(" "),
    parts: sections.flatMap(({ parts }) => parts),
    bars: sections.flatMap(({ bars }) => bars),
  };
};
