import { connect } from "../support/clients/native.js";
import { metric } from "../support/nodes/metrics.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { closeFrame, frame, OPCODE, openRaw, type RawClient } from "../support/raw/client.js";

/** Clean and unclean ways to leave. */
const WAYS: readonly ((client: RawClient) => void)[] = [
  (client) => client.send(closeFrame(1000)),
  (client) => client.send(closeFrame()),
  (client) => client.socket.end(),
  (client) => client.socket.destroy(),
  (client) => client.socket.resetAndDestroy(),
  (client) => client.send(frame(OPCODE.text, "x", { masked: false })),
  (client) => client.send(...Array.from({ length: 10 }, () => frame(OPCODE.text, "nonsense"))),
];

/** Returns the opcode of the next frame; the end of the connection counts as a close. */
async function opcodeOf(client: RawClient): Promise<number> {
  try {
    return (await client.next()).opcode;
  } catch {
    return OPCODE.close;
  }
}

/** Connects, joins and leaves in one of the ways. */
async function live(node: TestNode, number: number): Promise<void> {
  const client = await openRaw(node.http);
  await client.join("shared", `own-${number}`);
  WAYS[number % WAYS.length]?.(client);
  // Read until either side has closed.
  for (let opcode: number | undefined; opcode !== OPCODE.close; ) opcode = await opcodeOf(client);
  client.socket.destroy();
  await client.gone;
}

test("L2: leaves nothing behind after 500 clients joined and left in every way", async () => {
  const node = await startNode({ interest_linger: "0" });
  for (let chunk = 0; chunk < 500; chunk += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, position) => live(node, chunk + position)));
  }
  while ((await metric(node, "carillon_connections")) > 0);
  while ((await metric(node, "carillon_topics")) > 0);
  const client = await connect(`${node.ws}/ws`);
  await client.join("shared");
  expect(await metric(node, "carillon_connections")).toBe(1);
  expect(await metric(node, "carillon_topics")).toBe(1);
});
