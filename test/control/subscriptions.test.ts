import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { enter, jwt } from "../commands/support.js";
import { TestBackend } from "../support/backends/backend.js";
import { connect, type TestClient } from "../support/clients/native.js";
import { startNode } from "../support/nodes/node.js";

const { subscribe, unsubscribe } = ControlService.method;

const TOPICS = Array.from({ length: 400 }, (_, number) => `topic-${number}`);
/** Each of these connections takes a slice. */
const CONNECTIONS = 20;

/** Counts commands of a client that are answered one after the other before the work has ended. */
async function answeredBefore(client: TestClient, work: Promise<unknown>): Promise<number> {
  const state = { isOver: false };
  const ended = work.finally(() => {
    state.isOver = true;
  });
  let answered = 0;
  for (;;) {
    await client.ask({ command: "leave", topics: ["elsewhere"], id: answered });
    if (state.isOver) break;
    answered += 1;
  }
  await ended;
  return answered;
}

test("A15: subscribes and unsubscribes all connections of a user in slices, and answers with their number", async () => {
  const node = await startNode({ vhosts: { "/": { jwt } } });
  const backend = new TestBackend(node);
  const request = { target: { target: { case: "user", value: "ann" } }, topics: TOPICS } as const;
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => enter(node, { sub: "ann" })));
  const other = await connect(`${node.ws}/ws`);

  const expectSlices = async (changed: Promise<{ readonly connections: number }>, topic: string): Promise<void> => {
    expect(await answeredBefore(other, changed)).toBeGreaterThan(5);
    expect((await changed).connections).toBe(CONNECTIONS);
    for (const client of clients) expect((await client.next()).topic).toBe(topic);
  };
  await expectSlices(backend.call(subscribe, request), "@join");
  await expectSlices(backend.call(unsubscribe, request), "@leave");
});
