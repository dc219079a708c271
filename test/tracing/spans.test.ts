import { SpanKind } from "@opentelemetry/api";
import { connect as connectNats, headers as createHeaders } from "nats";
import { CallService } from "../../gen/carillon/v1/call_pb.js";
import { BroadcastService } from "../../gen/websockets/v1/websockets_pb.js";
import { SECRET, signed } from "../access/jwts.js";
import { BACKENDS, nextHookCall } from "../outbound/hooks/backend.js";
import { mountsOf } from "../support/backends/backend.js";
import { publish } from "../support/backends/publish.js";
import { startWorker } from "../support/backends/worker.js";
import { cleanUp } from "../support/clean-up.js";
import { connect } from "../support/clients/native.js";
import { startNatsNode, startTwoNatsNodes } from "../support/nats/node.js";
import { startNats } from "../support/nats/server.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { temporaryFolder } from "../support/temporary-files.js";
import { drawTrace, newTrace, SpanRecorder } from "../support/tracing.js";

const recorder = SpanRecorder.register();

/** Reads a node's id from its metrics. */
async function idOf(node: TestNode): Promise<string> {
  const text = await (await fetch(`${node.http}/metrics`)).text();
  return /carillon_build_info\{.*node="(\w+)"/.exec(text)?.[1] ?? "";
}

async function startTwo(): Promise<{
  readonly a: TestNode;
  readonly b: TestNode;
  readonly names: Map<unknown, string>;
}> {
  const { url } = await startNats();
  const [a, b] = await startTwoNatsNodes(url);
  return {
    a,
    b,
    names: new Map([
      [await idOf(a), "A"],
      [await idOf(b), "B"],
    ]),
  };
}

async function listener(node: TestNode, topic: string) {
  const client = await connect(`${node.ws}/ws`);
  await client.join(topic);
  return client;
}

test.each([0, 1])("N15: traces a publish on one node to the sockets of two nodes (mount %i)", async (mount) => {
  const { a, b, names } = await startTwo();
  const clients = [await listener(a, "news"), await listener(b, "news"), await listener(b, "news")];
  const trace = newTrace();
  const caller = mountsOf(a)[mount];
  await caller?.call(
    BroadcastService.method.publish,
    { messages: [{ topics: ["news"], payload: Buffer.from("x") }] },
    trace.headers,
  );
  for (const client of clients) await client.next();
  const spans = await recorder.until(trace.id, 6);
  const label = ({ attributes, name }: (typeof spans)[number]): string =>
    `${names.get(attributes["carillon.node"])} ${name}`;
  expect(drawTrace(spans, label)).toEqual([
    "A publish",
    "  A send nats",
    "    A process nats",
    "      A fan-out",
    "    B process nats",
    "      B fan-out",
  ]);
  const kinds = new Map(spans.map((span) => [label(span), span.kind]));
  expect(Object.fromEntries(kinds)).toEqual({
    "A publish": SpanKind.SERVER,
    "A send nats": SpanKind.PRODUCER,
    "A process nats": SpanKind.CONSUMER,
    "B process nats": SpanKind.CONSUMER,
    "A fan-out": SpanKind.INTERNAL,
    "B fan-out": SpanKind.INTERNAL,
  });
  const fanOut = spans.find((span) => label(span) === "B fan-out");
  expect(fanOut?.attributes).toMatchObject({
    "carillon.sessions": 2,
    "carillon.encodings": 1,
    "carillon.vhost": "/",
    "messaging.destination.name": "news",
  });
});

test("traces a message of a topic with history, and not its replay", async () => {
  const { url } = await startNats(`jetstream: { store_dir: "${temporaryFolder()}" }`);
  const vhosts = {
    "/": {
      history: { short: { messages: 10, storage: "memory" as const } },
      topics: [{ match: "*", history: "short" }],
    },
  };
  const node = await startNatsNode(url, {}, { vhosts });
  const client = await listener(node, "news");
  const trace = newTrace();
  await publish(node, [{ topics: ["news"], payload: "x" }], "Publish", trace.headers);
  await client.next();
  const expected = ["publish", "  send nats", "    process nats", "      fan-out"];
  expect(drawTrace(await recorder.until(trace.id, 4))).toEqual(expected);
  const later = await connect(`${node.ws}/ws`);
  await later.ask({ command: "join", topics: ["news"], history: 1 });
  await later.next();
  expect(drawTrace(recorder.of(trace.id))).toEqual(expected);
});

test("has no hop on the memory broker, one span for each message, and none for a trace that is not sampled", async () => {
  const node = await startNode();
  const client = await listener(node, "news");
  const trace = newTrace();
  const messages = [
    { topics: ["news"], payload: "1" },
    { topics: ["news"], payload: "2" },
  ];
  const unsampled = { traceparent: `${newTrace().headers.traceparent.slice(0, -1)}0` };
  await publish(node, messages, "Publish", unsampled);
  await publish(node, messages, "PublishAsync", trace.headers);
  for (let count = 0; count < 4; count += 1) await client.next();
  expect(drawTrace(await recorder.until(trace.id, 3))).toEqual(["publish", "  fan-out", "  fan-out"]);
  expect(recorder.of(unsampled.traceparent.split("-")[1] ?? "")).toEqual([]);
});

test.each([
  "00-00000000000000000000000000000000-b7ad6b7169203331-01",
  "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "0af7651916cd43dd8448eb211c80319c",
  "0".repeat(4_000),
])("R26: begins a trace of its own when traceparent is malformed (%s)", async (traceparent) => {
  const node = await startNode();
  const before = recorder.ended.length;
  const { ok } = await publish(node, [{ topics: ["news"], payload: "x" }], "Publish", { traceparent });
  expect(ok).toBe(true);
  const [span] = recorder.ended.slice(before);
  expect([span?.name, span?.parentSpanContext]).toEqual(["publish", undefined]);
});

test("N15: continues the trace of a plain NATS client, and ignores malformed headers", async () => {
  const server = await startNats();
  const node = await startNatsNode(server.url);
  const client = await listener(node, "news");
  const trace = newTrace();
  const nats = await connectNats({ servers: server.url });
  cleanUp(() => nats.close());
  for (const traceparent of ["nonsense", `${trace.headers.traceparent}-more`, trace.headers.traceparent]) {
    const headers = createHeaders();
    headers.set("traceparent", traceparent);
    nats.publish("carillon._.news", "x", { headers });
  }
  for (let count = 0; count < 3; count += 1) await client.next();
  expect(drawTrace(await recorder.until(trace.id, 2))).toEqual(["process nats", "  fan-out"]);
});

test("marks a refused publish", async () => {
  const node = await startNode();
  const trace = newTrace();
  await publish(node, [{ topics: ["no topic"] }], "Publish", trace.headers);
  const [span] = await recorder.until(trace.id, 1);
  expect(span?.attributes["error.type"]).toBe("invalid_argument");
  expect(span?.status.message).toMatch(/^messages\[0\]\.topics\[0\]/);
});

test("traces a message for a user", async () => {
  const node = await startNode({ vhosts: { "/": { jwt: { secret: SECRET }, credentials: { query: true } } } });
  const token = await signed(SECRET, "HS256", { exp: Math.ceil(Date.now() / 1_000) + 60, sub: "eve" });
  const client = await connect(`${node.ws}/ws?token=${token}`);
  const trace = newTrace();
  await publish(node, [{ topics: ["$user.eve"], payload: "x" }], "Publish", trace.headers);
  await client.next();
  const spans = await recorder.until(trace.id, 2);
  expect(drawTrace(spans)).toEqual(["publish", "  fan-out"]);
  expect(spans.find(({ name }) => name === "fan-out")?.attributes["carillon.sessions"]).toBe(1);
});

describe.each(BACKENDS)("a backend called by %s", (_protocol, startBackend) => {
  test("R26: receives the trace of the hook's span", async () => {
    const backend = await startBackend();
    const node = await startNode({
      vhosts: { "/": { hooks: { url: backend.url, events: ["connect"], timeout: "8s" } } },
    });
    const connected = connect(`${node.ws}/ws`);
    const call = await nextHookCall(backend, "OnConnect");
    call.answer({ allow: {} });
    await connected;
    const [, traceId = "", spanId] = call.traceparent?.split("-") ?? [];
    const [span] = await recorder.until(traceId, 1);
    expect([span?.name, span?.kind, span?.spanContext().spanId]).toEqual([
      "carillon.v1.HookService/OnConnect",
      SpanKind.CLIENT,
      spanId,
    ]);
  });
});

test("R26, N15: traces a call to the worker of another node, which receives the trace", async () => {
  const { a, b, names } = await startTwo();
  const worker = await startWorker(b, ["resize"]);
  const trace = newTrace();
  const answered = mountsOf(a)[0]?.call(CallService.method.call, { event: "resize" }, trace.headers);
  const task = await worker.tasks.next();
  worker.answer(task, "done");
  await answered;
  const spans = await recorder.until(trace.id, 2);
  const label = ({ attributes, name }: (typeof spans)[number]): string =>
    `${names.get(attributes["carillon.node"])} ${name}`;
  expect(drawTrace(spans, label)).toEqual(["A call", "  B task"]);
  expect(task.traceparent).toBe(`00-${trace.id}-${spans.find(({ name }) => name === "task")?.spanContext().spanId}-01`);
});

test("marks a call that its worker fails", async () => {
  const node = await startNode();
  const worker = await startWorker(node, ["resize"]);
  const trace = newTrace();
  const answered = mountsOf(node)[0]?.call(CallService.method.call, { event: "resize" }, trace.headers);
  worker.fail(await worker.tasks.next(), "failed_precondition", "no image");
  await answered;
  const spans = await recorder.until(trace.id, 2);
  expect(spans.map(({ attributes }) => attributes["error.type"])).toEqual([
    "failed_precondition",
    "failed_precondition",
  ]);
});

test("names traces in the histograms of latencies, in OpenMetrics", async () => {
  const node = await startNode();
  const client = await listener(node, "news");
  const trace = newTrace();
  await publish(node, [{ topics: ["news"], payload: "x" }], "Publish", trace.headers);
  await client.next();
  await recorder.until(trace.id, 2);
  const read = async (accept: string): Promise<[string | null, string]> => {
    const response = await fetch(`${node.http}/metrics`, { headers: { accept } });
    return [response.headers.get("content-type"), await response.text()];
  };
  const [type, text] = await read("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
  expect(type).toMatch(/^application\/openmetrics-text; version=1\.0\.0/);
  for (const name of ["delivery", "publish"]) {
    expect(text).toMatch(
      new RegExp(`^carillon_${name}_seconds_bucket.* # \\{trace_id="${trace.id}",span_id="\\w{16}"\\}`, "m"),
    );
  }
  expect(text).toMatch(/^# TYPE carillon_messages_out counter\ncarillon_messages_out_total 1$/m);
  expect(text).toMatch(/# EOF\n$/);
  const [plainType, plain] = await read("text/plain");
  expect(plainType).toMatch(/^text\/plain/);
  expect(plain).toMatch(/^# TYPE carillon_messages_out_total counter\ncarillon_messages_out_total 1$/m);
  expect(plain).not.toContain(trace.id);
});
