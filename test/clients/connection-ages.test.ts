import { AdmissionControl } from "../../src/clients/admission-control.js";
import { Client } from "../../src/clients/client.js";
import { Clients } from "../../src/clients/clients.js";
import { ConnectionAges } from "../../src/clients/connection-ages.js";
import { MemoryStore } from "../../src/store/memory.js";
import { systemClock } from "../../src/util/system-clock.js";
import { Bench, CountingEncoding, MemorySink } from "../core/support.js";
import { openStream } from "../support/clients/event-stream.js";
import { connect } from "../support/clients/native.js";
import { startNode } from "../support/nodes/node.js";
import { createVhostWorld } from "../support/nodes/vhost-world.js";

const CLOSED = { code: 1012, reason: "maximum connection age reached, retry after 0-1 s" };

async function setUp(random: () => number) {
  const bench = new Bench();
  const { clock, hub } = bench;
  const clients = new Clients(hub, clock);
  const ages = new ConnectionAges({ clients, clock, age: () => 100_000, random });
  const { vhosts } = createVhostWorld({}, new MemoryStore({ clock: systemClock, onError: String }));
  const admission = new AdmissionControl(vhosts, clock);
  const add = async () => {
    const sink = new MemorySink();
    const session = bench.session(sink, new CountingEncoding());
    const upgrade = { method: "GET", uri: "/", headers: {}, query: new URLSearchParams(), forwarded: [] };
    const origin = { dialect: "native", address: "127.0.0.1", userAgent: "" };
    const request = { vhost: "/", origin, credential: undefined, connectionId: session.id, upgrade };
    const facts = { session, ...admission.describeClient(request, await admission.admit(request)) };
    const client = new Client(facts, { notify: () => {} });
    clients.add(client);
    return { client, sink };
  };
  /** Advances the time, and lets the work run that is done in slices. */
  const advance = async (milliseconds: number): Promise<void> => {
    clock.advance(milliseconds);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { add, advance, ages, bench, clients };
}

test("L24: closes each connection within a tenth of the age, at its own time", async () => {
  const jitters = [0, 0.999, 0.5];
  const { add, advance } = await setUp(() => jitters.shift() ?? 0);
  const [early, late, middle] = [await add(), await add(), await add()];
  const open = (): boolean[] => [early, middle, late].map(({ client }) => client.session.open);
  await advance(89_000);
  expect(open()).toEqual([true, true, true]);
  await advance(2_000);
  expect(open()).toEqual([false, true, true]);
  await advance(10_000);
  expect(open()).toEqual([false, false, true]);
  await advance(10_000);
  expect(open()).toEqual([false, false, false]);
  expect(late.sink.closedFor).toMatchObject({ code: CLOSED.code, text: CLOSED.reason });
});

test("L24: forgets connections that have ended, and a changed wall clock does not matter", async () => {
  const { add, advance, ages, bench, clients } = await setUp(() => 0.5);
  const { client } = await add();
  const { client: other } = await add();
  bench.clock.set(10_000_000);
  await advance(50_000);
  expect(other.session.open).toBe(true);
  clients.remove(client, 1_000, "");
  clients.remove(other, 1_000, "");
  await advance(60_000);
  expect(bench.clock.timers).toBe(0);
  ages.stop();
});

test("L24: tells clients of a node to come back at once", async () => {
  const node = await startNode({ max_connection_age: "1s" });
  const client = await connect(`${node.ws}/ws`);
  const stream = await openStream(`${node.http}/events?topic=foo`);
  expect(await client.closed).toEqual(CLOSED);
  while ((await stream.next()).event !== "carillon.close");
  expect(Number(stream.retry)).toBeLessThanOrEqual(1_000);
  await stream.closed;
});
