import fc from "fast-check";
import { DEFAULT_FRAME_SIZE, FrameParser, MAX_WINDOW, PREFACE, pingFrame, settingsFrame } from "./http2-frames.js";
import { ANY_KINDS, encodeStep, type FuzzedClient, type SessionStep, VALID_KINDS } from "./http2-steps.js";

/** Numbers at which rules change. */
const EDGES = [
  0,
  1,
  2,
  5,
  100,
  1_000,
  16_383,
  16_384,
  65_535,
  65_536,
  1_000_000,
  MAX_WINDOW,
  MAX_WINDOW + 1,
  2 ** 32 - 1,
];

/** Damage to the bytes of a session. */
export interface Mutation {
  readonly kind: "flip" | "insert" | "remove" | "repeat";
  /** Position in ten-thousandths of the session. */
  readonly at: number;
  readonly length: number;
  readonly value: number;
}

export interface FuzzedSession {
  readonly steps: readonly SessionStep[];
  readonly mutations: readonly Mutation[];
  /** Positions at which the bytes are split, in ten-thousandths of the session. */
  readonly cuts: readonly number[];
}

function createStep(kinds: readonly SessionStep["kind"][]): fc.Arbitrary<SessionStep> {
  return fc.record({
    kind: fc.constantFrom(...kinds),
    stream: fc.oneof({ weight: 4, arbitrary: fc.nat(2) }, fc.nat(12)),
    flags: fc.oneof({ weight: 2, arbitrary: fc.constantFrom(0, 1, 4, 5) }, fc.nat(255)),
    value: fc.oneof(fc.constantFrom(...EDGES), fc.nat(20)),
    size: fc.oneof(
      { weight: 5, arbitrary: fc.nat(200) },
      { weight: 2, arbitrary: fc.constantFrom(1_000, 6_000, 16_384) },
      fc.constantFrom(0, 1, 4, 5, 6, 8, 9, 16_383, 16_385),
    ),
  });
}

const validStep = createStep(VALID_KINDS);
const anyStep = createStep(ANY_KINDS);

const mutationArbitrary: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom("flip", "insert", "remove", "repeat"),
  at: fc.nat(10_000),
  length: fc.nat(40),
  value: fc.nat(255),
});

/** Sessions of valid and invalid frames, some of them with damaged bytes. */
export const sessionArbitrary: fc.Arbitrary<FuzzedSession> = fc.record({
  steps: fc.oneof(
    fc.array(validStep, { maxLength: 80, size: "max" }),
    fc.array(fc.oneof({ weight: 15, arbitrary: validStep }, anyStep), { maxLength: 80, size: "max" }),
    fc.array(fc.oneof(validStep, anyStep), { maxLength: 40, size: "max" }),
  ),
  mutations: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(mutationArbitrary, { maxLength: 4 })),
  cuts: fc.array(fc.nat(10_000), { maxLength: 20 }),
});

/** Encodes a session, with its preface and damage. */
export function encodeSession({ mutations, steps }: Pick<FuzzedSession, "mutations" | "steps">): Buffer {
  const client: FuzzedClient = { next: 1, open: [] };
  const frames = steps.map((step) => encodeStep(step, client));
  const bytes = Buffer.concat([PREFACE, settingsFrame(), ...frames]);
  return mutations.reduce<Buffer>((damaged, mutation) => mutate(damaged, mutation), bytes);
}

/** Splits bytes at the cuts of a session. */
export function splitSession(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const positions = cuts.map((cut) => Math.floor((bytes.length * cut) / 10_000)).toSorted((one, other) => one - other);
  return [0, ...positions].map((position, index) => bytes.subarray(position, positions[index] ?? bytes.length));
}

/** Data of the ping at the end of {@link completeSession}. */
export const LAST_PING = Buffer.from("usable??");

/** Appends bytes that complete the last frame, and a ping. Its answer shows that the connection is usable. */
export function completeSession(bytes: Buffer): Buffer {
  const splitter = new FrameParser();
  splitter.push(bytes.subarray(PREFACE.length));
  // Larger frames are refused by their header.
  const missing = Math.min(splitter.missing, DEFAULT_FRAME_SIZE);
  return Buffer.concat([bytes, Buffer.alloc(missing), pingFrame(LAST_PING)]);
}

function mutate(bytes: Buffer, { at, kind, length, value }: Mutation): Buffer {
  const position = Math.floor((bytes.length * at) / 10_000);
  const [before, after] = [bytes.subarray(0, position), bytes.subarray(position)];
  switch (kind) {
    case "flip": {
      const flipped = Buffer.from(bytes);
      if (position < flipped.length) flipped.writeUInt8(flipped.readUInt8(position) ^ (value | 1), position);
      return flipped;
    }
    case "insert":
      return Buffer.concat([before, Buffer.alloc(length, value), after]);
    case "remove":
      return Buffer.concat([before, after.subarray(length)]);
    case "repeat":
      return Buffer.concat([before, after.subarray(0, length), after]);
    default:
      throw new Error(kind satisfies never);
  }
}
