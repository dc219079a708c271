import { findNearest } from "../util/find-nearest.js";
import { count, z } from "./schema-builder.js";
import { bytes, duration } from "./units.js";

/** Settings of stored messages: the classes of a vhost, and the references of its topic rules to them. */

/** Value of a topic rule that excludes topics from the vhost's default class. */
export const NO_HISTORY_CLASS = "off";

/** Maximum number of classes of a vhost. A NATS server keeps a stream for each of them. */
const MAX_CLASSES = 32;

const historyClass = z
  .strictObject({
    messages: count(1, 1_000_000).default(100).describe("Maximum number of messages kept of one topic."),
    age: duration("1s", "8760h").prefault("5m").describe("How long a message is kept."),
    bytes: bytes("64KiB", "16384GiB")
      .prefault("64MiB")
      .describe("Maximum size of all topics of the class. The oldest messages are removed first."),
    topic_bytes: bytes("1KiB", "16384GiB")
      .optional()
      .describe(
        "Maximum size of one topic. Older messages are removed, and a larger message is refused. On NATS it bounds only the size of a message. Default: only `bytes` applies.",
      ),
    storage: z
      .enum(["file", "memory"])
      .default("file")
      .describe("Where NATS servers keep the messages. The memory broker keeps them in the node's memory."),
    replicas: count(1, 5).default(1).describe("Number of NATS servers that keep each message."),
    deduplication: duration("100ms", "24h")
      .optional()
      .describe(
        "How long a repeated message id is recognized as a duplicate; at most `age`. Default: `2m`, or `age` if that is shorter.",
      ),
  })
  .refine(({ bytes: all, topic_bytes: topic = 0 }) => topic <= all, { message: "topic_bytes: expected at most bytes" })
  .refine(({ age, deduplication = 0 }) => deduplication <= age, { message: "deduplication: expected at most age" });

/** A history class as the configuration has it. */
export type HistoryClassSettings = z.output<typeof historyClass>;

const className = z
  .string()
  .regex(/^[\w-]{1,32}$/, "expected a name of up to 32 letters, digits, _ and -")
  .refine(
    (name) => name !== NO_HISTORY_CLASS,
    `${NO_HISTORY_CLASS} is not a name: rules use it for topics without history`,
  );

/** Schema of a vhost's history classes, by name. */
export const historyClasses = z
  .record(className, historyClass)
  .refine((classes) => Object.keys(classes).length <= MAX_CLASSES, `expected at most ${MAX_CLASSES} classes`);

interface HistorySettings {
  readonly history: Readonly<Record<string, HistoryClassSettings>>;
  readonly default_history?: string | undefined;
  readonly topics: readonly { readonly history?: string | undefined }[];
  readonly limits: { readonly history?: number | undefined };
}

/** Checks that the names of classes are known, and that the classes do not exceed the vhost's limit. */
export function checkHistory(settings: HistorySettings, context: z.RefinementCtx): void {
  const { default_history: standard, history, limits, topics } = settings;
  const names = Object.keys(history);
  const check = (name: string | undefined, path: readonly (string | number)[]): void => {
    if (name === undefined || name === NO_HISTORY_CLASS || names.includes(name)) return;
    context.addIssue({ code: "custom", path: [...path], message: describeUnknownClass(name, names) });
  };
  check(standard, ["default_history"]);
  for (const [position, { history: name }] of topics.entries()) check(name, ["topics", position, "history"]);
  const total = sumHistoryBytes(history);
  if (limits.history === undefined || total <= limits.history) return;
  const message = `the classes keep up to ${total} bytes, limits.history is ${limits.history}`;
  context.addIssue({ code: "custom", path: ["history"], message });
}

/** Settings of a vhost that determine how much history a memory broker keeps for it. */
export interface VhostHistory {
  readonly history: Readonly<Record<string, { readonly bytes: number }>>;
  /** Undefined for all brokers. */
  readonly brokers?: readonly string[] | undefined;
}

/**
 * Checks how much history the memory brokers may keep for all vhosts together.
 * @returns the problem; undefined for none
 */
export function memoryHistoryProblem(
  brokers: Readonly<Record<string, { readonly driver: string }>>,
  vhosts: Iterable<VhostHistory>,
  limit: number,
): string | undefined {
  const inMemory = Object.keys(brokers).filter((name) => brokers[name]?.driver === "memory");
  let total = 0;
  for (const { brokers: named, history } of vhosts) {
    const used = named === undefined ? inMemory : inMemory.filter((name) => named.includes(name));
    total += used.length * sumHistoryBytes(history);
  }
  if (total <= limit) return undefined;
  return `the memory broker would keep up to ${total} bytes for all vhosts, the node's limits.history is ${limit}`;
}

/** Returns the maximum number of bytes that the classes keep together. */
function sumHistoryBytes(classes: VhostHistory["history"]): number {
  return Object.values(classes).reduce((sum, { bytes: most }) => sum + most, 0);
}

function describeUnknownClass(name: string, names: readonly string[]): string {
  const guess = findNearest(name, names);
  const known = names.length === 0 ? "history defines none" : `known: ${names.join(", ")}`;
  return `unknown history class ${JSON.stringify(name)}; ${guess === undefined ? known : `did you mean ${guess}?`}`;
}
