import { say } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { readPage, sectionOf } from "../../support/docs/pages.js";
import { becomes, startNatsNode } from "../../support/nats/node.js";
import { startNats } from "../../support/nats/server.js";
import type { TestNode } from "../../support/nodes/node.js";
import { temporaryFolder } from "../../support/temporary-files.js";

/** Permissions that docs/nats.md lists: subjects to publish on and to subscribe to. */
function rights(): Record<"publish" | "subscribe", string[]> {
  const page = sectionOf(readPage("docs/nats.md"), "Rights in NATS");
  const of = (verb: string): string[] => {
    const [, cell = ""] = new RegExp(`^\\| ${verb} \\| (.*) \\|$`, "m").exec(page) ?? [];
    return [...cell.matchAll(/`([^`]+)`/g)].map(([, subject = ""]) => subject);
  };
  return { publish: of("publish"), subscribe: of("subscribe") };
}

async function control(node: TestNode, method: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${node.http}/carillon.v1.${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return (await response.json()) as Record<string, unknown>;
}

test("A13: runs two nodes with exactly the NATS permissions that docs/nats.md lists", async () => {
  const { publish, subscribe } = rights();
  expect(publish).not.toHaveLength(0);
  const nats = await startNats(`
    jetstream: { store_dir: ${JSON.stringify(temporaryFolder())} }
    authorization: { users: [ { user: ann, password: x, permissions: {
      publish: { allow: ${JSON.stringify(publish)} }, subscribe: { allow: ${JSON.stringify(subscribe)} } } } ] }`);
  const login = { user: "ann", password: "x" };
  const one = await startNatsNode(nats.url, login, { store: { driver: "nats" } });
  const other = await startNatsNode(nats.url, login, { store: { driver: "nats" } });
  await Promise.all([becomes(one, 200), becomes(other, 200)]);

  const client = await connect(`${one.ws}/ws`);
  await client.join("foo");
  await say(other, "foo", "across");
  expect(await client.next()).toMatchObject({ topic: "foo", payload: "across" });
  expect(await control(other, "ControlService/OpenChannel", { channel: "news" })).toEqual({ opened: true });
  expect(await control(other, "ControlService/ListConnections", {})).toMatchObject({
    connections: [{ topicCount: 1 }],
  });
  expect(await control(one, "TokenService/CreateAccessToken", {})).toHaveProperty("token");
  expect(await control(other, "ControlService/CreateVhost", { path: "/shop" })).toHaveProperty("vhost");
  expect(await control(other, "ControlService/DeleteVhost", { path: "/shop" })).toEqual({});
  await Promise.all([one.carillon.stop(), other.carillon.stop()]);
  expect(nats.linesOf(/violation/i)).toEqual([]);
});
