/**
 * Measures the cost of carrying a message's metadata through NATS: CPU time of one process that publishes and receives a
 * message, for several encodings of id, event and time. Needs a nats-server (env NATS_SERVER, or on PATH).
 *
 *     node bench/micro/metadata.mjs [messages per measurement] [rounds]
 *
 * The encodings are measured in turn, round by round, so that other load on the machine affects all of them alike.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { connect, headers, MsgHdrsImpl } from "nats";

const MESSAGES = Number(process.argv[2] ?? 60_000);
const ROUNDS = Number(process.argv[3] ?? 9);
const BATCH = 500;
const payload = Buffer.from("x".repeat(100));
const utf8 = new TextEncoder();
const time = Date.now();
let count = 0;

const nextId = () => `0123456789ab-${(count++).toString(36)}`;

function libraryHeaders() {
  const result = headers();
  result.append("Nats-Msg-Id", nextId());
  result.append("Carillon-Event", "order.created");
  result.append("Carillon-Time", String(time));
  return result;
}

function fromRecord() {
  return MsgHdrsImpl.fromRecord({
    "Nats-Msg-Id": [nextId()],
    "Carillon-Event": ["order.created"],
    "Carillon-Time": [String(time)],
  });
}

/** Headers in the way of src/nats/broker/metadata.ts: the library's class with an overridden encode(). */
class Encoded extends MsgHdrsImpl {
  #bytes;
  constructor(text) {
    super();
    this.#bytes = utf8.encode(text);
  }
  encode() {
    return this.#bytes;
  }
}

const headerText = () =>
  `NATS/1.0\r\nNats-Msg-Id: ${nextId()}\r\nCarillon-Event: order.created\r\nCarillon-Time: ${time}\r\n\r\n`;

const subclass = () => new Encoded(headerText());

function handEncoded() {
  const bytes = utf8.encode(headerText());
  return { encode: () => bytes };
}

/** Builds an envelope: 0xFF, length of the metadata in two bytes, metadata as lines, payload. */
function envelope() {
  const text = `${nextId()}\norder.created\n${time}`;
  const length = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(3 + length + payload.length);
  bytes[0] = 0xff;
  bytes.writeUInt16BE(length, 1);
  bytes.utf8Write(text, 3);
  bytes.set(payload, 3 + length);
  return bytes;
}

function openEnvelope(data) {
  if (data[0] !== 0xff) return data;
  return data.subarray(3 + ((data[1] << 8) | data[2]));
}

function readEnvelope(data) {
  const end = 3 + ((data[1] << 8) | data[2]);
  const [id, event, at] = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    .toString("utf8", 3, end)
    .split("\n");
  return { id, event, at: Number(at), payload: data.subarray(end) };
}

function readHeaders(msg) {
  const found = msg.headers;
  return {
    id: found.get("Nats-Msg-Id"),
    event: found.get("Carillon-Event"),
    at: Number(found.get("Carillon-Time")),
    payload: msg.data,
  };
}

const reused = { of: undefined, at: 0 };
/** Reuses one set of headers for ten topics, like a message to ten topics. */
function sharedHeaders() {
  if (reused.at++ % 10 === 0) reused.of = libraryHeaders();
  return reused.of;
}

const WAYS = {
  "no metadata": { publish: (nc) => nc.publish("t", payload), receive: (msg) => msg.data },
  "headers() and append()": {
    publish: (nc) => nc.publish("t", payload, { headers: libraryHeaders() }),
    receive: (msg) => msg.data,
  },
  "MsgHdrsImpl.fromRecord": {
    publish: (nc) => nc.publish("t", payload, { headers: fromRecord() }),
    receive: (msg) => msg.data,
  },
  "MsgHdrsImpl with own encode()": {
    publish: (nc) => nc.publish("t", payload, { headers: subclass() }),
    receive: (msg) => msg.data,
  },
  "headers(), one for 10 topics": {
    publish: (nc) => nc.publish("t", payload, { headers: sharedHeaders() }),
    receive: (msg) => msg.data,
  },
  "bare object with encode()": {
    publish: (nc) => nc.publish("t", payload, { headers: handEncoded() }),
    receive: (msg) => msg.data,
  },
  envelope: { publish: (nc) => nc.publish("t", envelope()), receive: (msg) => openEnvelope(msg.data) },
  "headers(); metadata read": {
    publish: (nc) => nc.publish("t", payload, { headers: libraryHeaders() }),
    receive: readHeaders,
  },
  "bare object with encode(); metadata read": {
    publish: (nc) => nc.publish("t", payload, { headers: handEncoded() }),
    receive: readHeaders,
  },
  "envelope; metadata read": { publish: (nc) => nc.publish("t", envelope()), receive: (msg) => readEnvelope(msg.data) },
};

async function measure(url, { publish, receive }) {
  const nc = await connect({ servers: url });
  let bytes = 0;
  nc.subscribe("t", {
    callback: (_error, msg) => {
      const received = receive(msg);
      bytes += (received.payload ?? received).length;
    },
  });
  await nc.flush();
  const run = async (messages) => {
    for (let sent = 0; sent < messages; sent += BATCH) {
      for (let position = 0; position < BATCH; position += 1) publish(nc);
      await nc.flush();
    }
  };
  await run(MESSAGES / 4);
  const before = process.cpuUsage();
  bytes = 0;
  await run(MESSAGES);
  const { system, user } = process.cpuUsage(before);
  if (bytes !== MESSAGES * payload.length) throw new Error(`${bytes} bytes arrived`);
  await nc.close();
  return (user + system) / MESSAGES;
}

async function startServer() {
  const child = spawn(process.env.NATS_SERVER ?? "nats-server", ["-a", "127.0.0.1", "-p", "-1"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let url = "";
  for await (const line of createInterface({ input: child.stderr })) {
    const port = /Listening for client connections on 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port !== undefined) url = `nats://127.0.0.1:${port}`;
    if (line.includes("Server is ready")) break;
  }
  child.stderr.resume();
  return { url, stop: () => child.kill("SIGKILL") };
}

const server = await startServer();
const results = new Map(Object.keys(WAYS).map((name) => [name, []]));
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, way] of Object.entries(WAYS)) results.get(name).push(await measure(server.url, way));
}
server.stop();

const sorted = (list) => list.toSorted((one, other) => one - other);
const median = (list) => sorted(list)[Math.floor(list.length / 2)];
const base = median(results.get("no metadata"));
const rows = [...results].map(([name, list]) => {
  const low = Math.min(...list).toFixed(2);
  const high = Math.max(...list).toFixed(2);
  return `| ${name} | ${median(list).toFixed(2)} | ${low}–${high} | ${(median(list) / base).toFixed(2)} |`;
});
process.stdout.write(
  [`| way | median µs CPU a message | spread | ratio |`, "|---|---|---|---|", ...rows, ""].join("\n"),
);
