import { type Attack, namedObjects, type StallNode } from "./attack.js";

/** Separator of the packets in one request of Engine.IO 4. */
const SEPARATOR = "\u001e";

/** Socket.IO over HTTP polling. */
export const POLLS: readonly Attack[] = [
  {
    name: "a Socket.IO request of 5,000 no-op packets, the accepted maximum",
    run: (node, size) =>
      poll(
        node,
        Array.from({ length: 5_000 * size }, () => "6"),
      ),
  },
  {
    name: "a Socket.IO request of 5,000 events, the accepted maximum",
    run: (node, size) =>
      poll(
        node,
        Array.from({ length: 5_000 * size }, () => '42["leave","t"]'),
      ),
  },
  {
    name: "a Socket.IO event of 1 MiB of objects with distinct member names",
    run: (node, size) => poll(node, [`42["join",${JSON.stringify(namedObjects(90_000 * size))}]`]),
  },
];

async function poll({ port }: StallNode, packets: readonly string[]): Promise<void> {
  const path = `http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`;
  const opened = await (await fetch(path)).text();
  const { sid } = JSON.parse(opened.slice(1)) as { readonly sid: string };
  const post = async (body: string): Promise<void> => {
    await (
      await fetch(`${path}&sid=${sid}`, { method: "POST", body, headers: { "content-type": "text/plain" } })
    ).text();
  };
  await post("40");
  await (await fetch(`${path}&sid=${sid}`)).text();
  await post(packets.join(SEPARATOR));
  await (await fetch(`${path}&sid=${sid}`)).text();
}
