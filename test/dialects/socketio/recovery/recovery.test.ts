import { TRANSPORTS } from "../../../support/clients/socket-io.js";
import { startNode } from "../../../support/nodes/node.js";
import { CONFIG, connectReturning, say } from "./support.js";

describe.each(TRANSPORTS)("over %s", (transport) => {
  const options = { transports: [transport] };

  test("I20: recovers the session of a client that comes back: its id, its topics, and each missed message once", async () => {
    const node = await startNode(CONFIG);
    const client = await connectReturning(node, options);
    expect(await client.ask("join", { topics: ["room.a", "room.b"] })).toEqual({ ok: true });
    const { id } = client;
    await say(node, "room.a", 1);
    expect(await client.messages(1)).toEqual([1]);
    await client.lose();
    await say(node, "room.a", 2, 3);
    await say(node, "room.b", 4);
    await client.comeBack();
    expect([client.recovered, client.id]).toEqual([true, id]);
    await say(node, "room.a", 5);
    await say(node, "room.b", 6);
    const messages = (await client.messages(5)) as number[];
    expect(messages.filter((message) => [2, 3, 5].includes(message))).toEqual([2, 3, 5]);
    expect(messages.filter((message) => [4, 6].includes(message))).toEqual([4, 6]);
  });
});
