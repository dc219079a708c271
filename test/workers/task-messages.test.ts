import { types } from "node:util";
import fc from "fast-check";
import { decodeTaskMessages, encodeTaskMessage, type TaskMessage } from "../../src/workers/wire/task-messages.js";

const number = fc.nat();
const text = fc.string({ unit: "binary", maxLength: 50 });
const payload = fc.uint8Array({ maxLength: 200 }).map((bytes) => Uint8Array.from(bytes));
const offerId = { task: number, offer: number };
const info = fc.dictionary(fc.string(), fc.json()).map((members) => {
  const written = Object.entries(members).map(([name, value]) => `${JSON.stringify(name)} : ${value}`);
  return `{${written.join(" , ")}}`;
});

/** Trace of a task; nodes of earlier versions neither send nor read it. */
const trace = fc.record({
  traceId: fc.stringMatching(/^[1-9a-f]{32}$/),
  spanId: fc.stringMatching(/^[1-9a-f]{16}$/),
  traceFlags: fc.constant(1),
  isRemote: fc.constant(true),
});

const messages: fc.Arbitrary<TaskMessage> = fc.oneof(
  fc.record({
    type: fc.constant("offer" as const),
    ...offerId,
    left: number,
    attempt: number,
    pattern: text,
    mayWait: fc.boolean(),
    excludedWorkers: fc.array(text, { maxLength: 3 }),
    request: fc.record({
      vhost: text,
      event: text,
      topic: text,
      connectionId: text,
      user: text,
      info,
      wantsAnswer: fc.boolean(),
      trace: fc.option(trace, { nil: undefined }),
    }),
    payload,
  }),
  fc.record({ type: fc.constant("taken" as const), ...offerId, assigned: fc.boolean() }),
  fc.record({ type: fc.constant("cancel" as const), ...offerId }),
  fc.record({
    type: fc.constant("refused" as const),
    ...offerId,
    reason: fc.constantFrom("busy" as const, "full" as const, "gone" as const),
  }),
  fc.record({ type: fc.constant("part" as const), ...offerId, position: number, more: fc.boolean(), payload }),
  fc.record({
    type: fc.constant("failed" as const),
    ...offerId,
    code: fc.constant("not_found" as const),
    message: text,
  }),
  fc.record({ type: fc.constant("lost" as const), ...offerId, worker: text }),
  fc.record({ type: fc.constant("check" as const), tasks: fc.array(fc.tuple(number, number)) }),
  fc.record({ type: fc.constant("have" as const), tasks: fc.array(fc.tuple(number, number, number)) }),
);

/** Converts a message to plain JSON values, in which all kinds of byte arrays are equal. */
function shown(message: TaskMessage): unknown {
  return JSON.parse(JSON.stringify(message, (_, value: unknown) => (value instanceof Uint8Array ? [...value] : value)));
}

test("decodes any number of messages as they were encoded", () => {
  fc.assert(
    fc.property(fc.array(messages, { maxLength: 5 }), (said) => {
      const heard = decodeTaskMessages(Uint8Array.from(Buffer.concat(said.map(encodeTaskMessage))));
      expect(heard.map(shown)).toEqual(said.map(shown));
    }),
  );
});

/** Returns the error that the function throws; a plain error if it throws none, because random bytes may be valid. */
function faultOf(run: () => unknown): unknown {
  try {
    run();
    return new Error("no fault");
  } catch (fault) {
    return fault;
  }
}

test("refuses invalid bytes with an error", () => {
  fc.assert(
    fc.property(messages, fc.nat(), fc.integer({ min: 0, max: 255 }), (message, position, value) => {
      const bytes = Uint8Array.from(encodeTaskMessage(message));
      bytes[position % bytes.length] = value;
      // Errors of Buffer belong to another realm than the test, so `instanceof` does not work.
      expect(types.isNativeError(faultOf(() => decodeTaskMessages(bytes)))).toBe(true);
    }),
  );
  expect(() => decodeTaskMessages(encodeTaskMessage({ type: "cancel", task: 1, offer: 1 }).subarray(0, -1))).toThrow(
    RangeError,
  );
});

test("reads a failure with an unknown code as internal", () => {
  const header = JSON.stringify([4, 1, 1, "toString", "text"]);
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(header.length);
  expect(decodeTaskMessages(Buffer.concat([lengths, Buffer.from(header)]))).toMatchObject([{ code: "internal" }]);
});
