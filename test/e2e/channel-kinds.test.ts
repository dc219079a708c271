import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { TestBackend } from "../support/backends/backend.js";
import { say } from "../support/backends/publish.js";
import { connect } from "../support/clients/native.js";
import { SPEAKERS, SPEAKING } from "../support/clients/speakers.js";
import { startNode, type TestNode } from "../support/nodes/node.js";

const { closeChannel, openChannel } = ControlService.method;

function backendOf(node: TestNode): TestBackend {
  return new TestBackend(node);
}

test("D6: an opened channel has the rules of its kind, for every dialect", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("private-a", "presence-a", "open-a");
  for (const channel of ["private-b", "presence-b", "open-b"]) await backendOf(node).call(openChannel, { channel });
  await client.join("open-b");
  for (const topics of [["private-b"], ["presence-b"]]) {
    expect(await client.ask({ command: "join", topics, id: 1 })).toMatchObject({
      topic: "#join",
      error: { code: "permission_denied" },
    });
  }
});

test("D6: opening a channel takes those out who may not be in it, and closing it all", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("private-a", "other-a");
  await backendOf(node).call(openChannel, { channel: "private-a" });
  expect(await client.next()).toEqual({ topic: "@leave", payload: ["private-a"] });
  await backendOf(node).call(openChannel, { channel: "other-a" });
  await say(node, "private-a", "nobody");
  await say(node, "other-a", "heard");
  expect(await client.next()).toEqual({ topic: "other-a", payload: "heard" });
  await backendOf(node).call(closeChannel, { channel: "private-a" });
  await client.join("private-a");
});

test("D6: what a rule of the vhost says of a channel goes before its kind", async () => {
  const topics = [
    { match: "private-lobby", access: "open" },
    { match: "presence-*", slow_consumer: "latest" },
  ] as const;
  const node = await startNode({ vhosts: { "/": { topics: [...topics] } } });
  for (const channel of ["private-lobby", "presence-a"]) await backendOf(node).call(openChannel, { channel });
  const client = await connect(`${node.ws}/ws`);
  await client.join("private-lobby");
  expect(await client.ask({ command: "join", topics: ["presence-a"], id: 1 })).toMatchObject({ topic: "#join" });
});

test("D7: who is subscribed by webrocket publishes where the vhost has an access token, and elsewhere as its rules say", async () => {
  const { webrocket: _token, ...tokenless } = { ...SPEAKING, client_publish: false };
  const node = await startNode({ vhosts: { "/with": { ...SPEAKING, client_publish: false }, "/without": tokenless } });
  const speaker = SPEAKERS.find(({ name }) => name === "webrocket");
  for (const vhost of ["/with", "/without"]) {
    await new TestBackend(node, { "carillon-vhost": vhost }).call(openChannel, { channel: "news" });
  }
  const heard = async (vhost: string): Promise<unknown> => {
    const client = await speaker?.enter(node, vhost);
    await client?.subscribe("news");
    client?.publish?.("news", "e", { a: 1 });
    return Promise.race([client?.heard.next(), client?.answers?.next()]);
  };
  expect(await heard("/with")).toEqual({ channel: "news", event: "e", value: { a: 1 } });
  expect(await heard("/without")).toEqual({ ":error": { code: 403, status: "Forbidden" } });
});

test("D7: native clients cannot publish by another dialect's rights", async () => {
  const node = await startNode({ vhosts: { "/": { ...SPEAKING, client_publish: false } } });
  const client = await connect(`${node.ws}/ws`);
  await client.join("news");
  expect(await client.ask({ command: "publish", topics: ["news"], payload: "x", id: 1 })).toMatchObject({
    error: { code: "permission_denied" },
  });
});
