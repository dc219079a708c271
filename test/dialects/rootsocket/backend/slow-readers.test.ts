import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { ConnectionInfo } from "../../../../src/control/connection-info.js";
import type { WatchEvent } from "../../../../src/control/watches.js";
import type { RestCall } from "../../../../src/dialects/rootsocket/backend/call.js";
import { feedConnections } from "../../../../src/dialects/rootsocket/backend/feed.js";
import { listConnections } from "../../../../src/dialects/rootsocket/backend/list.js";
import { CarillonError } from "../../../../src/errors.js";
import { CallAuthorizer } from "../../../../src/rpc/call-authorizer.js";
import { systemClock } from "../../../../src/util/system-clock.js";
import { everybody } from "../../../rpc/support/keys.js";
import { cleanUp } from "../../../support/clean-up.js";
import { ManualClock } from "../../../support/manual-clock.js";
import { ampleBudget } from "../../../support/nodes/byte-budget.js";
import { Queue } from "../../../support/queue.js";

const authorizer = new CallAuthorizer(everybody(), systemClock);
const credentials = { authorization: undefined, certificate: undefined, vhost: undefined };
const backend = authorizer.admit(credentials, "connections");

type Handle = (call: RestCall) => Promise<void>;

/** Starts a server with this handler alone, and records how each answer ends. */
async function serve(handle: Handle): Promise<{ readonly port: number; readonly outcomes: Queue<unknown> }> {
  const outcomes = new Queue<unknown>();
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const lease = ampleBudget().open({ address: "" });
    handle({ request, response, backend, credentials, action: "connections", lease, answerLease: undefined }).then(
      () => outcomes.push("done"),
      (error: unknown) => {
        outcomes.push(error);
        response.destroy();
      },
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUp(async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  });
  return { port: (server.address() as AddressInfo).port, outcomes };
}

/** Sends a request, and reads nothing until the test resumes the socket. */
async function reader(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  cleanUp(() => socket.destroy());
  socket.on("error", () => {
    // The close event tells.
  });
  await once(socket, "connect");
  socket.pause();
  socket.write("GET / HTTP/1.1\r\nhost: here\r\n\r\n");
  return socket;
}

/** Reads until the text contains `end`. */
async function readUntil(socket: Socket, end: string): Promise<string> {
  let text = "";
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (text.includes(end)) return text;
  }
  throw new Error(`it has ended with ${JSON.stringify(text)}`);
}

function facts(id: string, userAgent = ""): ConnectionInfo {
  return {
    id,
    node: "n1",
    user: null,
    info: "{}",
    dialect: "rootsocket",
    address: "127.0.0.1",
    userAgent,
    connected: 0,
    expires: null,
    topicCount: 0,
    published: 0,
  };
}

/** Changes that the test reports, until the watch ends. */
class Changes {
  readonly #queue = new Queue<WatchEvent>();
  /** Number of changes taken. */
  taken = 0;
  /** Resolves when the watch has ended. */
  readonly ended: Promise<unknown>;
  #end: (reason: unknown) => void = () => {};

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  push(id: string, userAgent = ""): void {
    this.#queue.push({ change: "opened", connection: facts(id, userAgent) });
  }

  async *watch(_backend: unknown, _user: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        reject(signal.reason as Error);
      });
    });
    try {
      for (;;) {
        const event = await Promise.race([this.#queue.next(), aborted]);
        this.taken += 1;
        yield event;
      }
    } finally {
      this.#end(signal.reason);
    }
  }
}

test("S9: sends comments on an idle feed", async () => {
  const clock = new ManualClock();
  const { port } = await serve((call) => feedConnections({ watches: new Changes(), authorizer, clock }, call));
  const socket = await reader(port);
  await readUntil(socket, "\r\n\r\n");
  expect(clock.timers).toBe(1);
  for (let comments = 0; comments < 3; comments += 1) {
    clock.advance(20_000);
    expect(await readUntil(socket, ":\n\n")).toContain(":\n\n");
  }
});

test("S9: stops watching and its timers when the reader has gone", async () => {
  const clock = new ManualClock();
  const changes = new Changes();
  const { outcomes, port } = await serve((call) => feedConnections({ watches: changes, authorizer, clock }, call));
  const socket = await reader(port);
  changes.push("n1.1");
  await readUntil(socket, "n1.1");
  socket.destroy();
  expect(await changes.ended).toMatchObject({ code: "cancelled" });
  expect(await outcomes.next()).toBe("done");
  expect(clock.timers).toBe(0);
});

test("S9, O6: bounds the backlog of a reader that does not read, and cuts it off", async () => {
  const clock = new ManualClock();
  const changes = new Changes();
  const { outcomes, port } = await serve((call) => feedConnections({ watches: changes, authorizer, clock }, call));
  const socket = await reader(port);
  const count = 1_000;
  for (let number = 0; number < count; number += 1) changes.push(`n1.${number}`, "x".repeat(100_000));
  let before = -1;
  // The feed has stopped when no change is taken between two round trips.
  while (before < changes.taken) {
    before = changes.taken;
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(changes.taken).toBeGreaterThan(0);
  expect(changes.taken).toBeLessThan(count);
  clock.advance(20_000);
  await changes.ended;
  expect(await outcomes.next()).toBe("done");
  expect(clock.timers).toBe(0);
  socket.resume();
  await once(socket, "close");
});

type Listed = Parameters<typeof listConnections>[0];

/** Answers with these pages in turn. */
function pages(...all: readonly { readonly ids: readonly string[]; readonly missing?: readonly string[] }[]): Listed {
  return {
    list: (_backend, { pageToken }) => {
      const position = Number(pageToken);
      const { ids, missing = [] } = all[position] ?? { ids: [] };
      const nextPageToken = position + 1 < all.length ? String(position + 1) : "";
      return Promise.resolve({ value: { items: ids.map((id) => facts(id)), nextPageToken }, missingNodes: missing });
    },
  };
}

async function list(port: number): Promise<{ readonly missing: string | null; readonly ids: readonly string[] }> {
  const response = await fetch(`http://127.0.0.1:${port}`);
  const entries = (await response.json()) as { readonly identifier: string }[];
  return { missing: response.headers.get("carillon-missing-nodes"), ids: entries.map(({ identifier }) => identifier) };
}

test.each([
  [[{ ids: [] }], []],
  [
    [{ ids: ["a", "b"] }, { ids: [] }],
    ["a", "b"],
  ],
  [
    [{ ids: ["a"] }, { ids: ["b", "c"] }, { ids: ["d"] }],
    ["a", "b", "c", "d"],
  ],
])("S8: lists the connections of all pages (%#)", async (all, ids) => {
  const { port } = await serve((call) => listConnections(pages(...all), call));
  expect(await list(port)).toEqual({ missing: null, ids });
});

test("S8: names nodes that did not answer", async () => {
  const missing = ["n2", "n3"];
  const connections = pages({ ids: ["a"], missing }, { ids: ["b"], missing });
  const { port } = await serve((call) => listConnections(connections, call));
  expect(await list(port)).toEqual({ missing: "n2, n3", ids: ["a", "b"] });
});

test("S8: cuts off a list when a node is lost before its end", async () => {
  const connections = pages({ ids: ["a"] }, { ids: ["b"], missing: ["n2"] });
  const { outcomes, port } = await serve((call) => listConnections(connections, call));
  await expect(list(port)).rejects.toThrow(/terminated|fetch failed/);
  expect(await outcomes.next()).toMatchObject({ code: "unavailable" });
});

test("S8, O6: prepares no more of an unread list than the connection holds", async () => {
  let asked = 0;
  const connections: Listed = {
    list: () => {
      asked += 1;
      const items = [facts(`n1.${asked}`, "x".repeat(500_000))];
      return Promise.resolve({ value: { items, nextPageToken: asked < 1_000 ? "more" : "" }, missingNodes: [] });
    },
  };
  const { outcomes, port } = await serve((call) => listConnections(connections, call));
  const socket = await reader(port);
  let before = -1;
  while (before < asked) {
    before = asked;
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(asked).toBeLessThan(1_000);
  socket.destroy();
  const outcome = await outcomes.next();
  expect(outcome).toBeInstanceOf(CarillonError);
  expect(outcome).toMatchObject({ code: "cancelled" });
});
