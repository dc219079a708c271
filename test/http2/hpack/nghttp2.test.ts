import { once } from "node:events";
import { type ClientHttp2Session, connect, sensitiveHeaders } from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { EMPTY_TABLE_UPDATE, encodeHeaders } from "../../../src/http2/hpack/encode-headers.js";
import type { HeaderField } from "../../../src/http2/hpack/header-field.js";
import { HpackDecoder } from "../../../src/http2/hpack/hpack-decoder.js";
import { STATIC_TABLE } from "../../../src/http2/hpack/static-table.js";
import { cleanUp } from "../../support/clean-up.js";
import { WIDE_LIMITS } from "./support.js";

/** nghttp2, the HTTP/2 library of Node.js, as the peer: its header blocks use all of HPACK, and it reads ours. */

const PREFACE_BYTES = 24;
const HEADERS = 0x1;
const SETTINGS = 0x4;
const ACK = 0x1;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const PRIORITY = 0x20;

interface Http2Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

function frameOf(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** SETTINGS_HEADER_TABLE_SIZE as a payload. */
function tableSizeSetting(bytes: number): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(0x1, 0);
  payload.writeUInt32BE(bytes, 2);
  return payload;
}

function readFrames(socket: Socket, onFrame: (frame: Http2Frame) => void): void {
  let received = Buffer.alloc(0);
  let start = PREFACE_BYTES;
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= start + 9) {
      const end = start + 9 + received.readUIntBE(start, 3);
      if (received.length < end) return;
      const [type = 0, flags = 0] = received.subarray(start + 3);
      onFrame({ type, flags, stream: received.readUInt32BE(start + 5), payload: received.subarray(start + 9, end) });
      start = end;
    }
  });
}

interface Peer {
  readonly client: ClientHttp2Session;
  /** Header lists of the requests, in their order. */
  readonly lists: readonly (readonly HeaderField[])[];
  /** Bytes of their header blocks. */
  readonly sizes: readonly number[];
}

/**
 * Starts a server that decodes each request and answers it, and a client.
 * @param answerTo - returns the answer to the nth request, counted from zero
 */
async function startPeer(
  tableBytes: number,
  clientTableBytes: number,
  answerTo: (request: number) => readonly HeaderField[],
): Promise<Peer> {
  const lists: (readonly HeaderField[])[] = [];
  const sizes: number[] = [];
  const server = createServer((socket) => {
    const decoder = new HpackDecoder({ ...WIDE_LIMITS, tableBytes });
    socket.write(frameOf(SETTINGS, 0, 0, tableSizeSetting(tableBytes)));
    readFrames(socket, ({ type, flags, stream, payload }) => {
      if (type === SETTINGS && flags === ACK) decoder.acknowledgeSettings();
      if (type === SETTINGS && flags !== ACK) socket.write(frameOf(SETTINGS, ACK, 0, Buffer.alloc(0)));
      if (type !== HEADERS) return;
      const block = (flags & PRIORITY) === 0 ? payload : payload.subarray(5);
      const fields = encodeHeaders(answerTo(lists.length));
      lists.push(decoder.decode(block).fields);
      sizes.push(block.length);
      const answerBlock = lists.length === 1 ? Buffer.concat([EMPTY_TABLE_UPDATE, fields]) : fields;
      socket.write(frameOf(HEADERS, END_STREAM | END_HEADERS, stream, answerBlock));
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  cleanUp(() => server.close());
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    settings: { headerTableSize: clientTableBytes },
  });
  cleanUp(() => client.destroy());
  await once(client, "remoteSettings");
  return { client, lists, sizes };
}

type Headers = Readonly<Record<string, string>>;

/** Sends a request and returns the answer's headers. */
async function request(client: ClientHttp2Session, headers: Headers, sensitive: readonly string[]): Promise<object> {
  const stream = client.request({ ...headers, [sensitiveHeaders]: [...sensitive] }, { endStream: true });
  const [answer] = (await once(stream, "response")) as [object];
  stream.resume();
  await once(stream, "close");
  return answer;
}

/** Every byte that nghttp2 allows in a value, besides white space at its ends. */
const ALLOWED = String.fromCharCode(
  ...Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte === 9 || (byte > 31 && byte !== 127)),
);

function requestHeaders(number: number): Headers {
  return {
    ":method": "POST",
    ":scheme": "http",
    ":path": `/carillon.v1.Publisher/Publish${number % 3}`,
    ":authority": "example.com",
    te: "trailers",
    "content-type": "application/grpc",
    "user-agent": "grpc-node-js/1.14.7",
    "grpc-timeout": `${number}m`,
    authorization: `Bearer ${"secret".repeat(number)}`,
    "x-bytes": `|${ALLOWED}|`,
    [`x-name-${number % 5}`]: "v".repeat(20 * number),
  };
}

test.each([4_096, 8_192, 256, 0])("decodes the requests of nghttp2 with a table of %d bytes", async (tableBytes) => {
  const { client, lists, sizes } = await startPeer(tableBytes, 4_096, () => [{ name: ":status", value: "200" }]);
  const sent = Array.from({ length: 20 }, (_, number) => requestHeaders(number));
  for (const headers of sent) await request(client, headers, ["authorization"]);
  expect(lists.map((list) => Object.fromEntries(list.map(({ name, value }) => [name, value])))).toEqual(sent);
  // The later blocks refer to the table, unless there is none.
  expect((sizes[1] ?? 0) < (sizes[0] ?? 0) / 2).toBe(tableBytes >= 4_096);
});

test.each([4_096, 65_536, 256, 0])("encodes headers that nghttp2 decodes with a table of %d bytes", async (bytes) => {
  const answer = { "content-type": "application/grpc", "grpc-status": "0", "x-bytes": `|${ALLOWED}|` };
  const fields = Object.entries(answer).map(([name, value]) => ({ name, value }));
  const { client } = await startPeer(4_096, bytes, () => [{ name: ":status", value: "200" }, ...fields]);
  for (let number = 0; number < 3; number++) {
    expect(await request(client, requestHeaders(number), [])).toMatchObject({ ":status": 200, ...answer });
  }
});

/** Values of the static table's entries with a name. */
function valuesOf(name: string): readonly string[] {
  return STATIC_TABLE.filter((field) => field.name === name).map(({ value }) => value);
}

test("has the same static table as nghttp2", async () => {
  // A connection-specific field is forbidden in HTTP/2. Fields without a value have one here, which nghttp2 demands of some.
  const regular = STATIC_TABLE.filter(({ name }) => !name.startsWith(":") && name !== "transfer-encoding").map(
    ({ name, value }) => ({ name, value: value || "0" }),
  );
  const statuses = valuesOf(":status");
  const { client, lists, sizes } = await startPeer(4_096, 4_096, (number) => {
    const status = { name: ":status", value: statuses[number] ?? "" };
    return status.value === "200" ? [status, ...regular] : [status];
  });
  for (const [number, status] of statuses.entries()) {
    const sent = {
      ":method": valuesOf(":method")[number % 2] ?? "",
      ":scheme": valuesOf(":scheme")[number % 2] ?? "",
      ":path": valuesOf(":path")[number % 2] ?? "",
      ":authority": "a",
    };
    const answer = await request(client, sent, []);
    expect(answer).toMatchObject({ ":status": Number(status) });
    expect(Object.fromEntries((lists[number] ?? []).map(({ name, value }) => [name, value]))).toEqual(sent);
    if (status !== "200") continue;
    const received = Object.entries(answer).filter(([name]) => !name.startsWith(":"));
    expect(received.map(([name, value]) => ({ name, value: String(value) }))).toEqual(regular);
  }
  // One byte for each field besides the authority, which is in the dynamic table from the second request.
  expect(sizes.slice(1)).toEqual(statuses.slice(1).map(() => 4));
});
