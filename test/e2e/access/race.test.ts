import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import { TestBackend, until } from "../../support/backends/backend.js";
import { connect, type TestClient } from "../../support/clients/native.js";
import { startCluster } from "../../support/nodes/access-cluster.js";
import type { TestNode } from "../../support/nodes/node.js";

const { createAccessToken, createConnectionToken } = TokenService.method;

/** Connects with a token. @returns undefined when it is refused */
async function attempt({ ws }: Pick<TestNode, "ws">, token: string): Promise<TestClient | undefined> {
  try {
    return await connect(`${ws}/ws`, { headers: { authorization: `Bearer ${token}` } });
  } catch (error) {
    // Only 401 is a refusal.
    if ((error as Error).message !== "Unexpected server response: 401") throw error;
    return undefined;
  }
}

/** Opens many connections at once over the nodes, with one token. @returns the accepted ones */
async function race(nodes: readonly Pick<TestNode, "ws">[], token: string, count = 50): Promise<TestClient[]> {
  const attempts = nodes.flatMap((node) => {
    return Array.from({ length: count / nodes.length }, () => attempt(node, token));
  });
  const clients = await Promise.all(attempts);
  return clients.filter((client) => client !== undefined);
}

async function leave(client: TestClient | undefined): Promise<void> {
  client?.webSocket.close();
  await client?.closed;
}

test("A8: gives a connection token to one of 50 connections on two nodes, and frees it when that ends", async () => {
  const cluster = await startCluster();
  const nodes = [await cluster.startNode(), await cluster.startNode()] as const;
  const { token } = await new TestBackend(nodes[0]).call(createConnectionToken, { user: "eve" });

  const first = await race(nodes, token);
  expect(first).toHaveLength(1);
  let [holder] = first;
  for (let round = 0; round < 5; round += 1) {
    expect(await race(nodes, token, 4)).toEqual([]);
    await holder?.join("foo");
    await leave(holder);
    // It is released some time after the connection has ended.
    const winners = await until(
      () => race(nodes, token),
      ({ length }) => length > 0,
    );
    expect(winners).toHaveLength(1);
    [holder] = winners;
  }
});

test("A8: gives a connection token to one of 50 live connections that authenticate at once", async () => {
  const cluster = await startCluster();
  const nodes = [await cluster.startNode(), await cluster.startNode()] as const;
  const backend = new TestBackend(nodes[0]);
  const clients = await Promise.all(
    Array.from({ length: 50 }, (_, number) => connect(`${nodes[number % 2 === 0 ? 0 : 1].ws}/ws`)),
  );
  for (const method of [createConnectionToken, createAccessToken] as const) {
    const { token } = await backend.call(method as typeof createAccessToken, { user: "eve" });
    const answers = await Promise.all(
      clients.map((client) => client.ask({ command: "authenticate", payload: token, id: 1 })),
    );
    const taken = answers.filter(({ topic }) => topic === "@authenticate");
    expect(taken).toHaveLength(1);
    const refused = answers.filter(({ error }) => error !== undefined);
    expect(new Set(refused.map(({ error }) => error?.code))).toEqual(new Set(["unauthenticated"]));
  }
});

test("A8: releases the first token when a connection authenticates with another", async () => {
  const cluster = await startCluster();
  const nodes = [await cluster.startNode(), await cluster.startNode()] as const;
  const backend = new TestBackend(nodes[0]);
  const { token: first } = await backend.call(createConnectionToken, { user: "eve" });
  const { token: second } = await backend.call(createConnectionToken, { user: "eve" });
  const { token: others } = await backend.call(createConnectionToken, { user: "adam" });
  const client = await attempt(nodes[0], first);
  expect(await client?.ask({ command: "authenticate", payload: others, id: 1 })).toMatchObject({
    error: { code: "failed_precondition" },
  });
  // A refused token stays free.
  await until(
    () => attempt(nodes[1], others),
    (found) => found !== undefined,
  );

  expect(await client?.ask({ command: "authenticate", payload: second })).toMatchObject({ topic: "@authenticate" });
  expect(await attempt(nodes[1], second)).toBeUndefined();
  await until(
    () => attempt(nodes[1], first),
    (found) => found !== undefined,
  );
  await leave(client);
  await until(
    () => attempt(nodes[1], second),
    (found) => found !== undefined,
  );
});

test("A8: accepts an access token once from 50 connections on two nodes", async () => {
  const cluster = await startCluster();
  const nodes = [await cluster.startNode(), await cluster.startNode()] as const;
  for (const node of nodes) {
    const { token } = await new TestBackend(node).call(createAccessToken, { user: "eve" });
    const [client, ...others] = await race(nodes, token);
    expect([client === undefined, others]).toEqual([false, []]);
    await leave(client);
    expect(await race(nodes, token, 4)).toEqual([]);
  }
});

test("A8: frees a killed node's connection tokens within 15 s, not at once, and keeps used access tokens used", async () => {
  const cluster = await startCluster();
  const stays = await cluster.startNode();
  const killed = await cluster.startProcess();
  const backend = new TestBackend(stays);
  const { token } = await backend.call(createConnectionToken, { user: "eve" });
  const { token: access } = await backend.call(createAccessToken, { user: "eve" });
  const holder = await attempt(killed, token);
  const user = await attempt(killed, access);
  expect([holder === undefined, user === undefined]).toEqual([false, false]);

  killed.child.kill("SIGKILL");
  await killed.exited;
  expect(await attempt(stays, token)).toBeUndefined();
  const end = Date.now() + 30_000;
  await until(
    () => attempt(stays, token),
    (client) => client !== undefined,
  );
  expect(Date.now()).toBeLessThan(end);
  expect(await attempt(stays, access)).toBeUndefined();
  expect(await attempt(stays, token)).toBeUndefined();
});
