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

test("D6: applies the rules of an open channel's kind to every dialect", async () => {
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

test("D6: removes unauthorized members when a channel opens, and all members when it closes", async () => {
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

test("D6: prefers a rule of the vhost to the kind of a channel", async () => {
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

test("D7: lets WebRocket subscribers publish when the vhost has an access token, and otherwise by its rules", async () => {
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

test("D7: denies native clients the publish rights of another dialect", async () => {
  const node = await startNode({ vhosts: { "/": { ...SPEAKING, client_publish: false } } });
  const client = await connect(`${node.ws}/ws`);
  await client.join("news");
  expect(await client.ask({ command: "publish", topics: ["news"], payload: "x", id: 1 })).toMatchObject({
    error: { code: "permission_denied" },
  });
});
