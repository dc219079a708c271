import { connect, type TestClient } from "../support/clients/native.js";
import { startNode } from "../support/nodes/node.js";

const PRESENCE = { vhosts: { "/": { presence: true } } };

/** Sends the command the given number of times at once. Resolves with all answers. */
async function askMany(client: TestClient, times: number, command: object): Promise<readonly string[]> {
  for (let id = 0; id < times; id += 1) client.send({ ...command, id });
  const answers: string[] = [];
  for (let id = 0; id < times; id += 1) answers.push(await client.nextText());
  return answers;
}

describe("A11: answers", () => {
  test("limits a client's bytes a second without refusing anything or delaying others", async () => {
    const limits = { answer_bytes_per_second: "64KiB" };
    const node = await startNode({ vhosts: { "/": { presence: true, limits } } });
    const members = await Promise.all(Array.from({ length: 30 }, () => connect(`${node.ws}/ws`)));
    for (const member of members) await member.join("foo");
    const client = await connect(`${node.ws}/ws`);
    const [first = ""] = await askMany(client, 1, { command: "presence", topics: ["foo"] });
    // More than two seconds' worth: one is allowed in the first second, the next one is charged in advance.
    const times = Math.ceil((3 * 65_536) / first.length);
    const [other] = members;
    const begin = Date.now();
    const asked = askMany(client, times, { command: "presence", topics: ["foo"] });
    // Answered without waiting for the other client's answers.
    expect(await other?.ask({ command: "leave", topics: ["bar"], id: 1 })).toMatchObject({ topic: "@leave" });
    const answers = await asked;
    expect(answers.every((answer) => answer.startsWith('{"topic":"@presence"'))).toBe(true);
    // A loaded machine may take longer, so the test checks the lower bound only.
    expect(Date.now() - begin).toBeGreaterThanOrEqual(1_000);
  });

  test("serves other clients while many commands of one client are answered", async () => {
    const node = await startNode({
      vhosts: {
        "/": { ...PRESENCE.vhosts["/"], limits: { answer_bytes_per_second: "off", commands_per_second: "off" } },
      },
    });
    const [client, other] = [await connect(`${node.ws}/ws`), await connect(`${node.ws}/ws`)];
    await client.join("foo");
    const text = JSON.stringify({ command: "presence", topics: ["foo"] });
    const { _socket: socket } = client.webSocket as unknown as { _socket: { cork(): void; uncork(): void } };
    // In a single write, so that the node reads them together.
    socket.cork();
    for (let count = 0; count < 4_000; count += 1) client.send(text);
    socket.uncork();
    const state = { answered: 0 };
    const all = (async () => {
      for (; state.answered < 4_000; state.answered += 1) await client.next();
    })();
    for (let id = 0; id < 5; id += 1) await other.ask({ command: "leave", topics: ["bar"], id });
    expect(state.answered).toBeLessThan(4_000);
    await all;
  });

  test("shares the list of members until it changes", async () => {
    const node = await startNode(PRESENCE);
    const [client, other] = [await connect(`${node.ws}/ws`), await connect(`${node.ws}/ws`)];
    await client.join("foo");
    const ask = () => client.ask({ command: "presence", topics: ["foo"] });
    const alone = await ask();
    expect(await ask()).toEqual(alone);
    await other.join("foo");
    const together = await ask();
    expect(together.payload).toMatchObject({ count: 2, members: [{}, {}] });
    await other.ask({ command: "leave", topics: ["foo"] });
    expect(await ask()).toEqual(alone);
  });
});

describe("A11: commands", () => {
  test("refuses more than 2,000 at once unless the vhost sets another limit", async () => {
    const node = await startNode({ vhosts: { "/free": { limits: { commands_per_second: "off" } } } });
    const command = { command: "leave", topics: ["foo"] };
    // On a machine of any speed, the limit bounds the answers of each second; 10,000 commands far exceed two seconds' worth.
    const begin = Date.now();
    const answers = await askMany(await connect(`${node.ws}/ws`), 10_000, command);
    const allowed = answers.filter((answer) => answer.startsWith('{"topic":"@leave"')).length;
    expect(allowed).toBeGreaterThanOrEqual(2_000);
    expect(allowed).toBeLessThanOrEqual(2_000 + 2 * (Date.now() - begin + 1));
    const free = await askMany(await connect(`${node.ws}/ws/free`), 10_000, command);
    expect(free.filter((answer) => !answer.startsWith('{"topic":"@leave"'))).toEqual([]);
  });
});
