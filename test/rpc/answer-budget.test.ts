import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { AnswerBudget } from "../../src/rpc/answer-budget.js";
import { bearer, configuredKey, GrpcBackend, mountsOf, STATUS } from "../support/backends/backend.js";
import { publish } from "../support/backends/publish.js";
import { connect } from "../support/clients/native.js";
import { ask } from "../support/clients/rootsocket.js";
import { ManualClock } from "../support/manual-clock.js";
import { startNode } from "../support/nodes/node.js";

const KiB = 1_024;
const REFUSAL = "too many bytes of answers: retry later (limits.backend_answer_bytes_per_second)";

/** Node whose topic names make large pages. It allows each key 64 KiB of answers per second, and 512 KiB at once. */
async function startLimited() {
  const keys = ["one", "other"].map((name) => configuredKey(name, { actions: ["*"] }));
  const node = await startNode({
    limits: { backend_answer_bytes_per_second: "64KiB" },
    vhosts: { "/": { keys, presence: true, anonymous: { permissions: { join: ["*"], presence: ["*"] } } } },
  });
  const client = await connect(`${node.ws}/ws`);
  // Names that compress well count as much.
  await client.join(...Array.from({ length: 1_000 }, (_, number) => `${"x".repeat(236)}${number}`));
  return node;
}

/** Resolves with a refusal. Four calls at a time cost more than is refilled while they are answered. */
async function refusal<Answer extends { readonly status: number }>(call: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop
    const answers = await Promise.all([call(), call(), call(), call()]);
    const refused = answers.find(({ status }) => status !== STATUS.ok && status !== 200);
    if (refused !== undefined) return refused;
  }
}

test.each(["grpc", "connect-json"])(
  "L17: %s refuses lists only to a key that has received too many bytes",
  async (name) => {
    const node = await startLimited();
    const caller = mountsOf(node).find((mount) => mount.name === name);
    if (caller === undefined) throw new Error("no caller");
    const list = (key: string) => caller.call(ControlService.method.listTopics, { pageSize: 1_000 }, bearer(key));
    expect(await refusal(() => list("one"))).toMatchObject({ status: STATUS.resourceExhausted, message: REFUSAL });
    expect(await list("other")).toMatchObject({ status: STATUS.ok });
    expect(await publish(node, [{ topics: ["foo"] }], "Publish", bearer("one"))).toMatchObject({ ok: true });
  },
);

test("L17: refuses RootSocket's list to the same key, with the time to retry", async () => {
  const node = await startLimited();
  const backend = new GrpcBackend({ grpc: node.grpc, headers: bearer("one") });
  const refused = await refusal(async () => {
    await backend.ask(ControlService.method.listTopics, { pageSize: 1_000 });
    return ask(node, "connections/", { method: "GET", key: "one" });
  });
  expect(refused).toMatchObject({ status: 429, body: { detail: REFUSAL } });
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
});

describe("AnswerBudget", () => {
  test("refills spent bytes over time, and returns unused reservations at once", () => {
    const clock = new ManualClock();
    const budget = new AnswerBudget(64 * KiB, clock);
    for (let count = 0; count < 100; count += 1) budget.open("a").settle();
    const lease = budget.open("a");
    lease.spend(512 * KiB);
    lease.settle();
    expect(() => budget.open("a")).toThrow(expect.objectContaining({ code: "resource_exhausted", retryDelay: 1_000 }));
    budget.open("b").settle();
    clock.advance(999);
    expect(() => budget.open("a")).toThrow(REFUSAL);
    clock.advance(1);
    budget.open("a").settle();
  });

  test("counts calls while they are being answered", () => {
    const budget = new AnswerBudget(64 * KiB, new ManualClock());
    const leases = Array.from({ length: 8 }, () => budget.open("a"));
    expect(() => budget.open("a")).toThrow(REFUSAL);
    leases[0]?.settle();
    budget.open("a");
  });

  test("refuses calls until an overdraft is refilled", () => {
    const clock = new ManualClock();
    const budget = new AnswerBudget(64 * KiB, clock);
    const lease = budget.open("a");
    lease.spend(1_024 * KiB);
    lease.settle();
    expect(() => budget.open("a")).toThrow(expect.objectContaining({ retryDelay: 9_000 }));
  });
});
