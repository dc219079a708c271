import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { PassThrough } from "node:stream";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { CarillonError } from "../../../src/errors.js";
import { receiveBody } from "../../../src/net/body/receive-body.js";
import { cleanUp } from "../../support/clean-up.js";
import { ampleBudget } from "../../support/nodes/byte-budget.js";

const LIMIT = 50_000;

const tooLarge = (): CarillonError => new CarillonError("resource_exhausted", "too large");

/** Sends a body in chunks of one byte. @returns the answer: the body's size and its sum, or the code of the refusal */
async function sendByteByByte(body: Buffer): Promise<string> {
  const budget = ampleBudget();
  const server = createServer((request, response) => {
    const lease = budget.open({ address: "" });
    receiveBody(request, { limit: LIMIT, lease, tooLarge })
      .then(
        (received) => response.end(`${received.length} ${received.reduce((sum, byte) => sum + byte, 0)}`),
        (cause: unknown) => response.end(CarillonError.from(cause).code),
      )
      .finally(() => lease.release());
  }).listen(0, "127.0.0.1");
  cleanUp(() => server.close());
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  cleanUp(() => socket.destroy());
  const chunks = [...body].map((byte) => `1\r\n${String.fromCharCode(byte)}\r\n`);
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n`);
  socket.end(`${chunks.join("")}0\r\n\r\n`, "latin1");
  const answer: Buffer[] = [];
  for await (const chunk of socket) answer.push(chunk as Buffer);
  return Buffer.concat(answer).toString().split("\r\n\r\n")[1] ?? "";
}

test("receives a body that arrives in chunks of one byte", async () => {
  const body = Buffer.from(Array.from({ length: LIMIT }, (_, position) => 65 + (position % 26)));
  const sum = body.reduce((total, byte) => total + byte, 0);
  expect(await sendByteByByte(body)).toContain(`${LIMIT} ${sum}`);
});

test("refuses a body above the limit when it arrives in chunks of one byte", async () => {
  expect(await sendByteByByte(Buffer.alloc(LIMIT + 1, "a"))).toContain("resource_exhausted");
});

test("keeps none of the small chunks of an incomplete body", async () => {
  const source = new PassThrough();
  const lease = ampleBudget().open({ address: "" });
  const received = receiveBody(source, { limit: LIMIT, lease, tooLarge });
  const chunks: WeakRef<Buffer>[] = [];
  for (let count = 0; count < 1_000; count += 1) {
    const chunk = Buffer.alloc(1, "a");
    chunks.push(new WeakRef(chunk));
    source.write(chunk);
  }
  // References of a turn are kept until it ends.
  await new Promise(setImmediate);
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  // The first one is kept as it is.
  expect(chunks.filter((chunk) => chunk.deref() !== undefined).length).toBeLessThan(100);
  source.end();
  expect((await received).length).toBe(1_000);
});
