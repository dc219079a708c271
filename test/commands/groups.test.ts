import { publish } from "../support/backends/publish.js";
import { connect, type NativeFrame } from "../support/clients/native.js";
import type { TestNode } from "../support/nodes/node.js";
import { present, startWorld, WORLDS } from "./support.js";

const vhosts = { "/": { presence: true } };

/** Publishes consecutive numbers on both topics until `enough` is aborted. */
async function publishNumbers(node: TestNode, enough: AbortSignal): Promise<void> {
  for (let number = 0; !enough.aborted; number += 1) {
    const answer = await publish(node, [{ topics: ["a", "b"], payload: String(number) }]);
    if (answer.ok !== true) throw new Error(JSON.stringify(answer));
  }
}

/** Returns the frames that a client must not receive while it is in one of two topics at a time. */
function faultsOf(frames: readonly NativeFrame[]): NativeFrame[] {
  let current: string | undefined;
  let last: number | undefined;
  return frames.filter((frame) => {
    if (frame.topic === "@join") {
      const { left, payload } = frame as NativeFrame & { readonly left: readonly string[] };
      const before = current;
      [current] = payload as string[];
      last = undefined;
      return left.join(",") !== (before ?? "");
    }
    const before = last;
    last = Number(frame.payload);
    return frame.topic !== current || (before !== undefined && last !== before + 1);
  });
}

describe.each(WORLDS)("W21: exclusive groups: %s", (kind) => {
  test("O2, O3: loses nothing and delivers no message of the other topic when a client switches topics under load", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const client = await connect(`${one.ws}/ws`);
    const stop = new AbortController();
    const publisher = publishNumbers(other, stop.signal);

    const frames: NativeFrame[] = [];
    for (let round = 0; round < 60; round += 1) {
      const topic = round % 2 === 0 ? "a" : "b";
      client.send({ command: "join", topics: [topic], group: "spectate", id: round });
      for (let heard = 0; heard < 3; ) {
        const frame = await client.next();
        frames.push(frame);
        if (frame.topic === topic) heard += 1;
      }
    }
    stop.abort();
    await publisher;

    expect(faultsOf(frames)).toEqual([]);
  });

  test("tells watchers that a member leaves one topic and joins the other", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const watcher = await connect(`${other.ws}/ws`);
    for (const topic of ["a", "b"])
      await watcher.ask({ command: "join", topics: [topic], hidden: true, presence: true });
    const client = await connect(`${one.ws}/ws`);
    await client.ask({ command: "join", topics: ["a"], group: "g" });
    expect(await watcher.next()).toMatchObject({ payload: { topic: "a", count: 1 } });
    await client.ask({ command: "join", topics: ["b"], group: "g" });
    const seen = [await watcher.next(), await watcher.next()].map(({ payload }) => payload);
    expect(seen).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ topic: "a", count: 0, joined: [], left: [expect.anything()] }),
        expect.objectContaining({ topic: "b", count: 1, left: [] }),
      ]),
    );
    expect(await present(client, "a")).toMatchObject({ count: 0 });
  });
});
