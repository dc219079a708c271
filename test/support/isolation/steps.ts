import fc from "fast-check";
import { KEY_NAMES, type Path, TOPICS, USERS, VHOSTS } from "./model.js";

/** Who calls: with a key of one vhost, and perhaps naming another one. */
export interface CallerStep {
  readonly of: Path;
  readonly names: Path | undefined;
  /** Which of the vhost's keys, revoked ones too, modulo how many there are. */
  readonly key: number;
  /** Which mount of which node. */
  readonly way: number;
}

/** A token made with the secret, or by the issuer, of a vhost. */
export interface TokenStep {
  readonly of: Path;
  readonly kind: "jwt" | "connection" | "access";
}

/** Which client, modulo how many there are: of all vhosts. */
type Which = number;
/** Whom a call is about: a user, or a connection whichever vhost it is in. */
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

/** Half of the tokens are the vhost's own: else hardly anybody would be inside. */
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

/** Which channels are open at first, by vhost, and what happens then. */
export const histories: fc.Arbitrary<{
  readonly open: readonly (readonly string[])[];
  readonly steps: readonly Step[];
}> = fc.record({
  open: fc.tuple(...VHOSTS.map(() => fc.subarray([...TOPICS], { minLength: 1 }))),
  steps: fc.array(anyStep, { minLength: 1, maxLength: 45, size: "max" }),
});
