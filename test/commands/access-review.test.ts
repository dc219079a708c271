import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { PresenceService } from "../../gen/carillon/v1/presence_pb.js";
import { TestBackend } from "../support/backends/backend.js";
import { connect, type NativeFrame, type TestClient } from "../support/clients/native.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { enter, jwt, token } from "./support.js";

const control = ControlService.method;
const PATH = "/shop";

interface Shop {
  readonly node: TestNode;
  /** Calls the node as a backend of the default vhost, which may administer the others. */
  readonly backend: TestBackend;
  /** Calls the node as a backend of the shop's vhost. */
  readonly own: TestBackend;
  readonly update: (settings: object) => Promise<void>;
}

async function startShop(settings: object): Promise<Shop> {
  const node = await startNode();
  const backend = new TestBackend(node);
  const change = async (all: object): Promise<void> => {
    await backend.call(control.updateVhost, { path: PATH, settings: { jwt, ...all } });
  };
  await backend.call(control.createVhost, { path: PATH, settings: { jwt, ...settings } });
  return { node, backend, own: new TestBackend(node, { "carillon-vhost": PATH }), update: change };
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, number) => `${prefix}${number}`);
}

async function joinAll({ node }: Shop, count: number, topics: readonly string[]): Promise<TestClient[]> {
  return Promise.all(
    names("client", count).map(async () => {
      const client = await connect(`${node.ws}/ws${PATH}`);
      await client.join(...topics);
      return client;
    }),
  );
}

/** Counts the turns of the event loop until the promise resolves. */
async function turnsUntil(resolved: Promise<unknown>): Promise<number> {
  const ended = resolved.then(() => true);
  let turns = 0;
  while (!(await Promise.race([ended, setImmediate(false)]))) turns += 1;
  return turns;
}

/** Returns the number of sessions in each topic of the vhost. */
async function sizes({ own }: Shop): Promise<Record<string, number>> {
  const { topics } = await own.call(control.listTopics, { pageSize: 1_000 });
  return Object.fromEntries(topics.map(({ name, sessions }) => [name, sessions]));
}

describe("A15: a change of a vhost's settings", () => {
  const SECRET_TOPICS = names("secret-", 500);
  const PRIVATE = { topics: [{ match: "secret-*", access: "private" }] };

  test("reviews clients in slices, and answers when all clients have left the topics that they may no longer join", async () => {
    const shop = await startShop({});
    const clients = await joinAll(shop, 20, ["open", ...SECRET_TOPICS]);
    const [first] = await Promise.all([Promise.race(clients.map((client) => client.next())), shop.update(PRIVATE)]);
    expect(first).toEqual({ topic: "@leave", payload: SECRET_TOPICS });
    expect(await sizes(shop)).toEqual({ open: 20 });
  });

  test("executes other commands between the slices, and decides on joins by the new settings", async () => {
    const shop = await startShop({});
    const clients = await joinAll(shop, 20, ["open", ...SECRET_TOPICS]);
    const late = await connect(`${shop.node.ws}/ws${PATH}`);
    const updated = shop.update(PRIVATE);
    const left = clients.map((client) => client.next());
    await Promise.race(left);
    const turns = turnsUntil(Promise.all(left));
    // The other clients have not been reviewed yet, but this join is already refused.
    expect(await late.ask({ command: "join", topics: ["secret-0"], id: 1 })).toMatchObject({
      topic: "#join",
      error: { code: "permission_denied" },
    });
    await late.join("open");
    expect(await turns).toBeGreaterThan(10);
    await updated;
    expect(await sizes(shop)).toEqual({ open: 21 });
  });

  test("closes every connection when the node stops between the slices", async () => {
    const shop = await startShop({});
    const clients = await joinAll(shop, 20, SECRET_TOPICS);
    const updated = shop.update(PRIVATE).catch((error: unknown) => error);
    await Promise.race(clients.map((client) => client.next()));
    await shop.node.carillon.stop();
    for (const client of clients) expect((await client.closed).code).toBe(1012);
    await updated;
  });
});

describe("A15: a second change of a vhost's settings between the slices of the first", () => {
  const TOPICS = names("secret-", 500);

  test("applies after the first: reviewed clients stay out, and the others keep their topics", async () => {
    const shop = await startShop({});
    const trackers = (await joinAll(shop, 20, TOPICS)).map((client) => new MembershipTracker(client, TOPICS));
    const closed = shop.update({ access: "private" });
    await Promise.race(trackers.map(({ left }) => left));
    await Promise.all([closed, shop.update({ access: "open" })]);
    await Promise.all(trackers.map((tracker) => tracker.ask({ command: "leave", topics: ["none"] })));
    const stayed = trackers.filter(({ topics }) => topics.size > 0);
    expect(stayed.length).toBeLessThan(trackers.length);
    expect(await sizes(shop)).toEqual(
      stayed.length === 0 ? {} : Object.fromEntries(TOPICS.map((topic) => [topic, stayed.length])),
    );
  });

  test("removes clients that joined while the settings in between allowed it", async () => {
    const shop = await startShop({ access: "private" });
    const crowd = await joinAllWithTokens(shop, 20, TOPICS);
    // Opens the vhost. The review for this change is still running when the next change closes the vhost.
    const busy = shop.update({ access: "open" });
    const late = await connect(`${shop.node.ws}/ws${PATH}`);
    await busy;
    await late.join("secret-0");
    await shop.update({ access: "private" });
    expect(await late.next()).toEqual({ topic: "@leave", payload: ["secret-0"] });
    expect((await sizes(shop))["secret-0"]).toBe(crowd.length);
  });
});

/** Connects clients whose tokens permit the topics, and joins the topics. */
async function joinAllWithTokens({ node }: Shop, count: number, topics: readonly string[]): Promise<TestClient[]> {
  return Promise.all(
    names("user", count).map(async (sub) => {
      const client = await enter(node, { sub, permissions: { join: ["secret-*"] } }, `/ws${PATH}`);
      await client.join(...topics);
      return client;
    }),
  );
}

/** Tracks by its own frames which topics a client is in. */
class MembershipTracker {
  readonly client: TestClient;
  readonly topics: Set<string>;
  /** Resolves when the client has left a topic, or was removed from one. */
  readonly left: Promise<void>;
  #leave: () => void = () => {};
  readonly #answers = new Map<number, (frame: NativeFrame) => void>();
  #count = 0;

  constructor(client: TestClient, topics: readonly string[] = []) {
    this.client = client;
    this.topics = new Set(topics);
    this.left = new Promise((resolve) => {
      this.#leave = resolve;
    });
    void this.#read();
  }

  async ask(command: { readonly command: string; readonly topics?: readonly string[]; readonly payload?: string }) {
    this.#count += 1;
    const id = this.#count;
    const answered = new Promise<NativeFrame>((resolve) => this.#answers.set(id, resolve));
    this.client.send({ ...command, id });
    return answered;
  }

  async #read(): Promise<void> {
    for (;;) {
      const frame = await this.client.next().catch(() => undefined);
      if (frame === undefined) return;
      const topics = Array.isArray(frame.payload) ? (frame.payload as string[]) : [];
      if (frame.topic === "@join") for (const topic of topics) this.topics.add(topic);
      if (frame.topic === "@leave") {
        for (const topic of topics) this.topics.delete(topic);
        this.#leave();
      }
      if (frame.id !== undefined) this.#answers.get(Number(frame.id))?.(frame);
    }
  }
}

/** Expression that takes more than a slice to match against any long name of the letters a and b. */
const SLOW = "re:[ab]*a[ab]{900}c";
const LETTERS = ["a", "b", "c"] as const;

/** Returns a name that takes about a slice to match against SLOW. */
function slowName(letter: string, number: number): string {
  return `${letter}${number.toString(2).replaceAll("0", "a").replaceAll("1", "b").padStart(120, "ab")}`;
}

/** Returns the letters whose topics the vhost's settings open to everyone. */
async function openLetters({ backend }: Shop): Promise<readonly string[]> {
  const { vhost } = await backend.call(control.getVhost, { path: PATH });
  const { topics = [] } = (vhost?.settings ?? {}) as {
    readonly topics?: readonly { readonly match: string; access: string }[];
  };
  return topics.filter(({ access }) => access === "open").map(({ match }) => match.slice(0, 1));
}

describe("A15: changes while clients join, leave and authenticate", () => {
  const rules = fc
    .subarray([...LETTERS])
    .map((open) => open.map((letter) => ({ match: `${letter}*`, access: "open" })));
  const step = fc.oneof(
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("change" as const), rules }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constantFrom("join" as const, "leave" as const),
        client: fc.nat(2),
        topics: fc.uniqueArray(fc.tuple(fc.constantFrom(...LETTERS), fc.nat(2)), { minLength: 1, maxLength: 3 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("authenticate" as const),
        client: fc.nat(2),
        letters: fc.subarray([...LETTERS]),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("wait" as const), turns: fc.nat(8) }) },
  );

  test("keeps each client in exactly the topics that its frames report, all of them permitted", async () => {
    const shop = await startShop({ access: "private" });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        run += 1;
        await shop.update({ access: "private" });
        const trackers = await Promise.all(
          LETTERS.map(async () => new MembershipTracker(await connect(`${shop.node.ws}/ws${PATH}`))),
        );
        const permitted = trackers.map((): readonly string[] => []);
        const under = trackers.map(() => Promise.resolve<unknown>(undefined));
        const changes: Promise<void>[] = [];
        const base = run * 16;
        const nameOf = ([letter, number]: readonly [string, number]) => slowName(letter, base + number);
        for (const [position, one] of steps.entries()) {
          if (one.kind === "wait") for (let turn = 0; turn < one.turns; turn += 1) await setImmediate();
          else if (one.kind === "change") {
            const settings = {
              access: "private",
              topics: [{ match: `${SLOW}${run % 2}${position}`, access: "private" }, ...one.rules],
            };
            // A change that overlaps with another one is refused.
            changes.push(shop.update(settings).catch(() => undefined));
          } else {
            const tracker = trackers[one.client];
            if (tracker === undefined) continue;
            if (one.kind === "authenticate") {
              permitted[one.client] = one.letters;
              const permissions = { join: one.letters.map((letter) => `${letter}*`) };
              const payload = await token({ sub: `user${one.client}`, permissions });
              under[one.client] = tracker.ask({ command: "authenticate", payload });
            } else {
              under[one.client] = tracker.ask({ command: one.kind, topics: one.topics.map(nameOf) });
            }
          }
        }
        await Promise.all([...changes, ...under]);
        await Promise.all(trackers.map((tracker) => tracker.ask({ command: "leave", topics: ["none"] })));
        const open = await openLetters(shop);
        const expected: Record<string, number> = {};
        for (const [number, { topics }] of trackers.entries()) {
          const may = new Set([...open, ...(permitted[number] ?? [])]);
          for (const topic of topics) {
            expect(may).toContain(topic[0]);
            expected[topic] = (expected[topic] ?? 0) + 1;
          }
        }
        expect(await sizes(shop)).toEqual(expected);
        for (const { client } of trackers) client.webSocket.close();
        await Promise.all(trackers.map(({ client }) => client.closed));
      }),
      { numRuns: 12 },
    );
  });
});

/** Connects clients that each take more than a slice to review, because each token has an expression of its own. */
async function joinSlowly({ node }: Shop, count: number, channel: string): Promise<TestClient[]> {
  return Promise.all(
    names("user", count).map(async (sub) => {
      const client = await enter(node, { sub, permissions: { presence: [SLOW + sub] } }, `/ws${PATH}`);
      await client.join(channel);
      return client;
    }),
  );
}

describe("A15: closing a channel", () => {
  test("removes each member once, including members that join again before their review", async () => {
    const shop = await startShop({ opened_only: true });
    const channel = "ab".repeat(125);
    await shop.own.call(control.openChannel, { channel });
    const clients = await joinSlowly(shop, 60, channel);
    const left = clients.map((client) => client.next());
    const closed = shop.own.call(control.closeChannel, { channel });
    await Promise.race(left);
    await shop.own.call(control.openChannel, { channel });
    // The last member to be reviewed.
    const last = clients.at(-1);
    const answers = last?.ask({ command: "join", topics: [channel], id: 1 });
    for (const frame of left) expect(await frame).toEqual({ topic: "@leave", payload: [channel] });
    expect(await answers).toMatchObject({ topic: "@join", id: 1 });
    await closed;
    expect(await sizes(shop)).toEqual({ [channel]: 1 });
    // No other frame arrives before this answer.
    expect(await last?.ask({ command: "leave", topics: [channel], id: 2 })).toMatchObject({ topic: "@leave", id: 2 });
  });
});

describe("A15: turning presence on or off", () => {
  test("lists the actual members when clients leave between the slices", async () => {
    const shop = await startShop({ presence: true });
    const TOPICS = names("topic-", 200);
    const clients = await joinAll(shop, 10, TOPICS);
    const off = shop.update({ presence: false });
    await Promise.all(clients.slice(0, 5).map((client) => client.ask({ command: "leave", topics: TOPICS, id: 1 })));
    const on = shop.update({ presence: true });
    await clients[9]?.ask({ command: "leave", topics: TOPICS.slice(100), id: 1 });
    await Promise.all([off, on]);
    const counts = await Promise.all(
      TOPICS.map(async (topic) => Number((await shop.own.call(PresenceService.method.getPresence, { topic })).count)),
    );
    expect(counts).toEqual(TOPICS.map((_, number) => (number < 100 ? 5 : 4)));
  });
});

describe("A15: many connections of a deleted vhost", () => {
  test("ends all of them, in slices", async () => {
    const shop = await startShop({});
    const clients = await joinAll(shop, 300, names("topic-", 10));
    const closed = clients.map((client) => client.closed);
    await shop.backend.call(control.deleteVhost, { path: PATH });
    await Promise.race(closed);
    expect(await turnsUntil(Promise.all(closed))).toBeGreaterThan(2);
    expect(new Set((await Promise.all(closed)).map(({ code }) => code)).size).toBe(1);
  });
});
