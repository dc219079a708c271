import fc from "fast-check";
import { KEY_NAMES, type Path, TOPICS, USERS, VHOSTS } from "./model.js";

/** Caller of an RPC: the vhost of its key, and the vhost that it names, which may differ. */
export interface CallerStep {
  readonly of: Path;
  readonly names: Path | undefined;
  /** Index into the vhost's keys including revoked ones, modulo their number. */
  readonly key: number;
  /** Index of a node and a mount. */
  readonly way: number;
}

/** A token signed with the secret of a vhost, or issued by it. */
export interface TokenStep {
  readonly of: Path;
  readonly kind: "jwt" | "connection" | "access";
}

/** Index of a client of any vhost, modulo their number. */
type Which = number;
/** Target of a call: a user, or a connection of any vhost. */
export type TargetStep = { readonly user: string } | { readonly connection: Which };

export type Step =
  | { kind: "connect"; at: Path; token: TokenStep | undefined; user: string; node: number }
  | { kind: "authenticate"; who: Which; token: TokenStep; user: string }
  | { kind: "join"; who: Which; topics: string[]; opens: Path | undefined }
  | { kind: "leave"; who: Which; topics: string[] }
  | { kind: "clientPublish"; who: Which; topics: string[] }
  | { kind: "publish"; caller: CallerStep; topics: string[] }
  | { kind: "listConnections"; caller: CallerStep; user: string; topic: string }
  | { kind: "getConnection"; caller: CallerStep; who: Which }
  | { kind: "listTopics"; caller: CallerStep }
  | { kind: "disconnect"; caller: CallerStep; target: TargetStep }
  | { kind: "subscribe"; caller: CallerStep; target: TargetStep; topics: string[] }
  | { kind: "unsubscribe"; caller: CallerStep; target: TargetStep; topics: string[] }
  | { kind: "openChannel"; caller: CallerStep; channel: string }
  | { kind: "closeChannel"; caller: CallerStep; channel: string }
  | { kind: "listChannels"; caller: CallerStep }
  | { kind: "createKey"; caller: CallerStep; name: string; vhost: Path | undefined }
  | { kind: "listKeys"; caller: CallerStep; vhost: Path | undefined }
  | { kind: "revokeKey"; caller: CallerStep; of: Path; key: number; vhost: Path | undefined }
  | { kind: "listVhosts"; caller: CallerStep };

const path = fc.constantFrom(...VHOSTS);
const maybePath = fc.option(path, { nil: undefined });
const topic = fc.constantFrom(...TOPICS);
const topics = fc.uniqueArray(topic, { minLength: 1 });
const user = fc.constantFrom(...USERS);
const some = fc.nat({ max: 11 });

const caller: fc.Arbitrary<CallerStep> = fc.record({
  of: path,
  names: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: path }),
  key: some,
  way: some,
});
const token: fc.Arbitrary<TokenStep> = fc.record({
  of: path,
  kind: fc.constantFrom("jwt" as const, "connection" as const, "access" as const),
});
const target: fc.Arbitrary<TargetStep> = fc.oneof(fc.record({ user }), fc.record({ connection: some }));

/** Half of the tokens belong to the vhost, so that enough clients are admitted. */
const connect = fc
  .tuple(path, fc.option(token, { nil: undefined, freq: 3 }), fc.boolean(), user, some)
  .map(([at, shown, own, name, node]): Step => {
    const its = shown !== undefined && own ? { ...shown, of: at } : shown;
    return { kind: "connect", at, token: its, user: name, node };
  });

type Parts<Kind extends Step["kind"]> = Omit<Extract<Step, { kind: Kind }>, "kind">;

function step<Kind extends Step["kind"]>(
  kind: Kind,
  parts: { [Key in keyof Parts<Kind>]: fc.Arbitrary<Parts<Kind>[Key]> },
): fc.Arbitrary<Step> {
  return fc
    .record(parts as Record<string, fc.Arbitrary<unknown>>)
    .map((made) => ({ ...made, kind }) as unknown as Step);
}

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: connect },
  { weight: 1, arbitrary: step("authenticate", { who: some, token, user }) },
  { weight: 6, arbitrary: step("join", { who: some, topics, opens: maybePath }) },
  { weight: 1, arbitrary: step("leave", { who: some, topics }) },
  { weight: 3, arbitrary: step("clientPublish", { who: some, topics }) },
  { weight: 5, arbitrary: step("publish", { caller, topics }) },
  {
    weight: 2,
    arbitrary: step("listConnections", {
      caller,
      user: fc.constantFrom("", ...USERS),
      topic: fc.constantFrom("", ...TOPICS),
    }),
  },
  { weight: 2, arbitrary: step("getConnection", { caller, who: some }) },
  { weight: 2, arbitrary: step("listTopics", { caller }) },
  { weight: 2, arbitrary: step("disconnect", { caller, target }) },
  { weight: 4, arbitrary: step("subscribe", { caller, target, topics }) },
  { weight: 2, arbitrary: step("unsubscribe", { caller, target, topics }) },
  { weight: 2, arbitrary: step("openChannel", { caller, channel: topic }) },
  { weight: 2, arbitrary: step("closeChannel", { caller, channel: topic }) },
  { weight: 1, arbitrary: step("listChannels", { caller }) },
  { weight: 2, arbitrary: step("createKey", { caller, name: fc.constantFrom(...KEY_NAMES), vhost: maybePath }) },
  { weight: 1, arbitrary: step("listKeys", { caller, vhost: maybePath }) },
  { weight: 2, arbitrary: step("revokeKey", { caller, of: path, key: some, vhost: maybePath }) },
  { weight: 1, arbitrary: step("listVhosts", { caller }) },
);

/** Initially open channels by vhost, and the steps that follow. */
export const histories: fc.Arbitrary<{
  readonly open: readonly (readonly string[])[];
  readonly steps: readonly Step[];
}> = fc.record({
  open: fc.tuple(...VHOSTS.map(() => fc.subarray([...TOPICS], { minLength: 1 }))),
  steps: fc.array(anyStep, { minLength: 1, maxLength: 45, size: "max" }),
});
