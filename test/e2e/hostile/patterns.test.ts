import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import { enter, jwt, token } from "../../commands/support.js";
import { bearer, configuredKey, mountsOf, STATUS, TestBackend } from "../../support/backends/backend.js";
import { TestWorker } from "../../support/backends/worker.js";
import { connect, refusedUpgrade, type TestClient } from "../../support/clients/native.js";
import { startNode } from "../../support/nodes/node.js";

/** Pattern with weight 67 that scans every name of the letters a and b to its end. */
const SLOW = "re:[ab]*a[ab]{60}c";
/** Pattern with weight 408. */
const SLOWER = "re:[ab]*a[ab]{401}c";
const TOO_HEAVY = /the patterns have a total weight of \d+, the limit is 3000/;

/** Creates different names of the letters a and b. */
function hostileNames(count: number, length = 250): string[] {
  return Array.from({ length: count }, (_, number) =>
    number.toString(2).replaceAll("0", "a").replaceAll("1", "b").padStart(length, "ba"),
  );
}

/** Counts another client's consecutive commands that are answered before the given work has ended. */
async function answeredBefore(other: TestClient, ended: Promise<unknown>): Promise<number> {
  const state = { isOver: false };
  const over = ended.finally(() => {
    state.isOver = true;
  });
  let answered = 0;
  for (;;) {
    await other.ask({ command: "leave", topics: ["elsewhere"], id: answered });
    if (state.isOver) break;
    answered += 1;
  }
  await over;
  return answered;
}

describe("O12, A15: a token's patterns", () => {
  const permissions = { join: Array.from({ length: 30 }, (_, number) => `${SLOWER}${number}`) };

  test("are refused by every way of connecting when their total weight exceeds 3,000", async () => {
    const node = await startNode({ vhosts: { "/": { jwt, access: "private" } } });
    const headers = { authorization: `Bearer ${await token({ permissions })}` };
    expect(await refusedUpgrade(`${node.ws}/ws`, { headers })).toMatchObject({
      status: 401,
      body: expect.stringMatching(TOO_HEAVY),
    });
    const client = await connect(`${node.ws}/ws`);
    const answer = await client.ask({ command: "authenticate", payload: await token({ permissions }), id: 1 });
    expect(answer).toMatchObject({ topic: "#authenticate", error: { message: expect.stringMatching(TOO_HEAVY) } });
    for (const mount of mountsOf(node)) {
      const refused = await mount.call(TokenService.method.createAccessToken, { permissions });
      expect([refused.status, refused.message]).toEqual([STATUS.invalidArgument, expect.stringMatching(TOO_HEAVY)]);
    }
  });

  test("are matched in slices, so that other clients get answers meanwhile", async () => {
    const node = await startNode({ vhosts: { "/": { jwt, access: "private" } } });
    const client = await enter(node, { permissions: { join: [`${SLOW}1`, `${SLOW}2`, "re:[ab]+"] } });
    const other = await connect(`${node.ws}/ws`);
    const topics = hostileNames(1_000);
    client.send({ command: "join", topics, id: 1 });
    // Sent before the answer to the join, and takes effect after the join (W13).
    client.send({ command: "leave", topics: topics.slice(0, 1), id: 2 });
    const joined = client.next();
    expect(await answeredBefore(other, joined)).toBeGreaterThan(10);
    expect(await joined).toMatchObject({ topic: "@join", id: 1 });
    expect(await client.next()).toMatchObject({ topic: "@leave", id: 2 });
  });

  test("refuse a join of more than 50,000,000 steps as a whole", async () => {
    const node = await startNode({ vhosts: { "/": { jwt, access: "private", client_publish: true } } });
    const client = await enter(node, { permissions: { join: Array.from({ length: 6 }, (_, n) => `${SLOWER}${n}`) } });
    const topics = hostileNames(1_000);
    for (const command of ["join", "publish"]) {
      expect(await client.ask({ command, topics, payload: "", id: 1 })).toMatchObject({
        topic: `#${command}`,
        error: { code: "resource_exhausted", message: expect.stringMatching(/takes \d+ steps, the limit is 50000000/) },
      });
    }
  });
});

describe("O12, A15: patterns of vhosts, keys and workers", () => {
  test("are refused when their total weight exceeds 3,000", async () => {
    const heavy = Array.from({ length: 10 }, (_, number) => `${SLOWER}${number}`);
    const rules = heavy.map((match) => ({ match }));
    await expect(startNode({ vhosts: { "/": { topics: rules } } })).rejects.toThrow(TOO_HEAVY);
    await expect(startNode({ vhosts: { "/": { anonymous: { permissions: { join: heavy } } } } })).rejects.toThrow(
      TOO_HEAVY,
    );
    const node = await startNode();
    for (const mount of mountsOf(node)) {
      const made = await mount.call(ControlService.method.createVhost, {
        path: "/heavy",
        settings: { topics: rules },
      });
      expect([made.status, made.message]).toEqual([STATUS.invalidArgument, expect.stringMatching(TOO_HEAVY)]);
      const key = await mount.call(ControlService.method.createKey, {
        name: "heavy",
        actions: ["publish"],
        topics: heavy,
      });
      expect([key.status, key.message]).toEqual([STATUS.invalidArgument, expect.stringMatching(TOO_HEAVY)]);
    }
  });

  test("are refused when the expressions of all keys and settings of a vhost weigh more than 3,000", async () => {
    const manager = configuredKey("manager", { actions: ["*"] });
    const backend = new TestBackend(await startNode({ vhosts: { "/": { keys: [manager] } } }), bearer("manager"));
    const keys = Array.from({ length: 8 }, (_, number) => ({ name: `key${number}`, topics: [`${SLOWER}${number}`] }));
    const configured = keys.map(({ name, topics }) => ({ ...configuredKey(name, { actions: ["publish"] }), topics }));
    const made = await backend.ask(ControlService.method.createVhost, { path: "/a", settings: { keys: configured } });
    expect([made.status, made.message]).toEqual([
      STATUS.invalidArgument,
      expect.stringMatching(/settings: the patterns have a total weight of \d+, the limit is 3000/),
    ]);
    await backend.call(ControlService.method.createVhost, { path: "/a", settings: { keys: configured.slice(0, 7) } });

    const create = ({ name, topics }: (typeof keys)[number]) =>
      backend.ask(ControlService.method.createKey, { vhost: "/a", name: `made-${name}`, actions: ["publish"], topics });
    for (const key of keys.slice(0, 7)) expect((await create(key)).status).toBe(STATUS.ok);
    const refused = await create({ name: "last", topics: [`${SLOWER}7`] });
    expect([refused.status, refused.message]).toEqual([
      STATUS.resourceExhausted,
      expect.stringMatching(/the vhost's keys: the patterns have a total weight of \d+, the limit is 3000/),
    ]);
    // An expression that another key has too is compiled already.
    expect((await create({ name: "same", topics: [`${SLOWER}0`] })).status).toBe(STATUS.ok);
  });

  test("name the first invalid expression when settings have too many", async () => {
    const backend = new TestBackend(await startNode());
    const topics = Array.from({ length: 1_000 }, (_, number) => ({ match: `re:(${number}` }));
    const made = await backend.ask(ControlService.method.createVhost, { path: "/a", settings: { topics } });
    expect([made.status, made.message]).toEqual([
      STATUS.invalidArgument,
      expect.stringMatching(/^settings: pattern "re:\(0": malformed expression/),
    ]);
  });

  test("are refused beyond a weight of 3,000 for one worker and 6,000 for all workers of a vhost", async () => {
    const node = await startNode({ vhosts: { "/": { anonymous: { permissions: { call: ["*"] } } } } });
    const expressions = Array.from({ length: 100 }, (_, number) => `${SLOW}${number}`);
    await expect(new TestWorker(node.grpc, {}).welcomed(expressions, 1)).rejects.toMatchObject({
      code: STATUS.invalidArgument,
      details: expect.stringMatching(TOO_HEAVY),
    });
    const most = Math.floor(3_000 / 68);
    await new TestWorker(node.grpc, {}).welcomed(expressions.slice(0, most), 1);
    await new TestWorker(node.grpc, {}).welcomed(expressions.slice(most, 2 * most), 1);
    await expect(new TestWorker(node.grpc, {}).welcomed(expressions.slice(2 * most), 1)).rejects.toMatchObject({
      code: STATUS.resourceExhausted,
      details: expect.stringMatching(/patterns of the vhost's workers on this node would exceed a weight of 6000/),
    });
    // The result is known when the event has been matched against all patterns.
    const client = await connect(`${node.ws}/ws`);
    const [event = ""] = hostileNames(1);
    expect(await client.ask({ command: "call", topics: [event], payload: "", id: 1 })).toMatchObject({
      topic: "#call",
      error: { code: "unavailable" },
    });
  });

  test("are matched in slices for a key, so that clients get answers meanwhile", async () => {
    const keys = [configuredKey("shop", { actions: ["publish", "topics"], topics: [SLOW, "re:[ab]+", "x.*"] })];
    const node = await startNode({ vhosts: { "/": { keys } } });
    const other = await connect(`${node.ws}/ws`);
    await other.join("x.1");
    const topics = hostileNames(1_000, 200);
    const backend = new TestBackend(node, bearer("shop"));
    const messages = [{ topics: [...topics, "x.1"].slice(1), payload: Buffer.from("a") }];
    const published = backend.call(BroadcastService.method.publish, { messages });
    let answered = 0;
    for (;;) {
      const frame = await other.ask({ command: "leave", topics: ["elsewhere"], id: answered });
      if (frame.topic === "x.1") break;
      answered += 1;
    }
    await published;
    expect(answered).toBeGreaterThan(10);
    const refused = await backend.ask(BroadcastService.method.publish, {
      messages: [{ topics: [...topics.slice(1), "other"], payload: Buffer.from("a") }],
    });
    expect([refused.status, refused.message]).toEqual([
      STATUS.permissionDenied,
      'messages[0].topics: key "shop" is not permitted to use topic "other"',
    ]);
  });
});
