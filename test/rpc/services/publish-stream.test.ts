import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { grpcClient, grpcPeer } from "../../support/backends/peers.js";
import { PublishStream } from "../../support/backends/publish-stream.js";
import { cleanUp } from "../../support/clean-up.js";
import { connect } from "../../support/clients/native.js";
import { startNats } from "../../support/nats/server.js";
import { MESSAGES_IN, settled, untilMetric } from "../../support/nodes/metrics.js";
import { startNode } from "../../support/nodes/node.js";
import { asIs } from "../../support/raw/peers.js";

const range = (count: number): number[] => Array.from({ length: count }, (_, position) => position);

test("R3: answers a PublishStream in the order sent, and ends it when the client does", async () => {
  const node = await startNode();
  const listener = await connect(`${node.ws}/ws?meta=1`);
  await listener.join("a");
  const stream = new PublishStream(grpcClient(node));
  const ids = range(300).map(String);
  const written = stream.writeAll(ids.map((id) => [{ topics: ["a"], id }]));
  for (const id of ids) expect(await stream.next()).toEqual([id]);
  await written;
  stream.write();
  expect(await stream.next()).toEqual([]);
  stream.call.end();
  expect(await stream.next()).toBeUndefined();
  expect(await stream.status).toMatchObject({ code: 0 });
  for (const id of ids) expect(await listener.next()).toMatchObject({ id });
});

test("R3: ends the stream at a refused Request after the earlier answers, and publishes nothing later", async () => {
  const nats = await startNats();
  const node = await startNode({ brokers: { nats: { driver: "nats", servers: [nats.url], confirm_timeout: "1m" } } });
  const listener = await connect(`${node.ws}/ws`);
  await listener.join("a");
  const stream = new PublishStream(grpcClient(node));
  // NATS is frozen, so that earlier requests have no answer when the refusal is known.
  nats.signal("SIGSTOP");
  for (const id of ["1", "2"]) stream.write({ topics: ["a"], id, payload: Buffer.from(id) });
  stream.write({ topics: ["a"], payload: Buffer.from("all or") }, { topics: ["@nothing"] });
  stream.write({ topics: ["a"], payload: Buffer.from("after") });
  await untilMetric(node, MESSAGES_IN, 2);
  nats.signal("SIGCONT");
  expect(await stream.next()).toEqual(["1"]);
  expect(await stream.next()).toEqual(["2"]);
  expect(await stream.next()).toBeUndefined();
  const details = "messages[1].topics[0] begins with a reserved character (@, # or $)";
  expect(await stream.status).toMatchObject({ code: 3, details });
  await grpcPeer(grpcClient(node)).publish([{ topics: ["a"], payload: Buffer.from("sentinel") }]);
  const received = [await listener.next(), await listener.next(), await listener.next()];
  expect(received.map(({ payload }) => payload)).toEqual(["1", "2", "sentinel"]);
});

test("E10: ends the stream at a malformed Request, after the earlier answers", async () => {
  const node = await startNode();
  const client = new Client(node.grpc, credentials.createInsecure());
  cleanUp(() => client.close());
  const call = client.makeBidiStreamRequest("/websockets.v1.BroadcastService/PublishStream", asIs, asIs);
  const answers: Buffer[] = [];
  call.on("data", (answer: Buffer) => answers.push(answer));
  const failed = new Promise<ServiceError>((resolve) => {
    call.once("error", resolve);
  });
  for (const hex of ["", "0a05", ""]) call.write(Buffer.from(hex, "hex"));
  expect(await failed).toMatchObject({ code: 3 });
  expect(answers.map((answer) => answer.toString("hex"))).toEqual(["0801"]);
});

test("E8: ends the stream at a Request beyond the limit", async () => {
  const node = await startNode();
  const stream = new PublishStream(grpcClient(node));
  stream.write({ topics: ["a"], id: "1" });
  expect(await stream.next()).toEqual(["1"]);
  stream.write({ topics: ["a"], payload: Buffer.alloc(4 * 1_024 * 1_024) });
  expect(await stream.status).toMatchObject({ code: 8 });
});

test("R4, O6: stops reading from a publisher that reads no answers, at 256 requests beyond the buffers", async () => {
  const node = await startNode();
  const stream = new PublishStream(grpcClient(node));
  // Answers of 2.5 kB soon fill the HTTP/2 window.
  const requests = range(600).map((request) =>
    range(10).map((message) => ({ topics: ["a"], id: `${request}.${message}`.padEnd(250, "-") })),
  );
  let done = false;
  const written = stream.writeAll(requests).then(() => {
    done = true;
  });
  // @grpc/grpc-js buffers all answers until the first is read. From then on it applies backpressure.
  expect(await stream.next()).toEqual(requests[0]?.map(({ id }) => id));
  const taken = (await settled(node, MESSAGES_IN)) / 10;
  expect(done).toBe(false);
  expect(taken).toBeGreaterThanOrEqual(256);
  expect(taken).toBeLessThan(400);
  for (const request of requests.slice(1)) expect(await stream.next()).toEqual(request.map(({ id }) => id));
  await written;
});

test("R4: slows down a publisher of large payloads before the bound for NATS would refuse it", async () => {
  const nats = await startNats();
  const broker = { driver: "nats" as const, servers: [nats.url], pending: "16MiB", confirm_timeout: "1m" };
  const node = await startNode({ brokers: { nats: broker } });
  const stream = new PublishStream(grpcClient(node));
  nats.signal("SIGSTOP");
  const requests = range(24).map((id) => [{ topics: ["a"], payload: Buffer.alloc(900_000), id: String(id) }]);
  const written = stream.writeAll(requests);
  await untilMetric(node, MESSAGES_IN, 10);
  expect(await settled(node, MESSAGES_IN)).toBe(10);
  nats.signal("SIGCONT");
  for (const id of range(24)) expect(await stream.next()).toEqual([String(id)]);
  await written;
});

test("R3: survives a client that cancels a stream", async () => {
  const nats = await startNats();
  const node = await startNode({ brokers: { nats: { driver: "nats", servers: [nats.url], confirm_timeout: "1m" } } });
  const client = grpcClient(node);
  const stream = new PublishStream(client);
  nats.signal("SIGSTOP");
  for (const id of ["1", "2", "3"]) stream.write({ topics: ["a"], id });
  await untilMetric(node, MESSAGES_IN, 3);
  stream.call.cancel();
  expect(await stream.status).toMatchObject({ code: 1 });
  nats.signal("SIGCONT");
  const next = new PublishStream(client);
  next.write({ topics: ["a"], id: "4" });
  expect(await next.next()).toEqual(["4"]);
});

test("E16: ends an open stream with UNAVAILABLE after the pending answers when the node stops", async () => {
  const nats = await startNats();
  const node = await startNode({
    brokers: { nats: { driver: "nats", servers: [nats.url], confirm_timeout: "1m" } },
    stop_timeout: "1m",
  });
  const client = grpcClient(node);
  const idle = new PublishStream(client);
  idle.write();
  expect(await idle.next()).toEqual([]);
  const stream = new PublishStream(client);
  nats.signal("SIGSTOP");
  for (const id of ["1", "2"]) stream.write({ topics: ["a"], id });
  await untilMetric(node, MESSAGES_IN, 2);
  const stopped = node.carillon.stop();
  expect(await idle.status).toMatchObject({ code: 14, details: "this node is stopping" });
  stream.write({ topics: ["a"], id: "3" });
  nats.signal("SIGCONT");
  expect([await stream.next(), await stream.next(), await stream.next()]).toEqual([["1"], ["2"], undefined]);
  expect(await stream.status).toMatchObject({ code: 14, details: "this node is stopping" });
  await stopped;
});

test("R8: answers 505 to PublishStream on the HTTP port", async () => {
  const node = await startNode();
  for (const contentType of ["application/connect+json", "application/connect+proto", "application/grpc-web+proto"]) {
    const response = await fetch(`${node.http}/websockets.v1.BroadcastService/PublishStream`, {
      method: "POST",
      headers: { "content-type": contentType },
      body: Buffer.from("0000000000", "hex"),
    });
    expect(response.status).toBe(505);
  }
});
