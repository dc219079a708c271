import { PublishedWorker, requestWebrocket, type WebrocketVhost } from "../../../support/backends/webrocket.js";
import { connect, type TestClient } from "../../../support/clients/native.js";
import { startNode, type TestNode } from "../../../support/nodes/node.js";
import { Queue } from "../../../support/queue.js";
import { TOKEN } from "./support.js";

async function start(): Promise<{ readonly node: TestNode; readonly vhost: WebrocketVhost }> {
  const node = await startNode({
    vhosts: { "/chat": { webrocket: { access_token: TOKEN } } },
    webrocket: { backend: "127.0.0.1:0" },
  });
  const port = Number(node.carillon.addresses?.webrocketBackend?.split(":")[1]);
  return { node, vhost: { port, path: "/chat", token: TOKEN } };
}

/** A user of the demo chat, whose server issues a token for authentication. */
class User {
  sid = "";
  readonly #client: TestClient;
  readonly #frames = new Queue<object>();
  #again: () => void = () => {};

  private constructor(client: TestClient) {
    this.#client = client;
  }

  static async signIn(node: TestNode, vhost: WebrocketVhost, user: string): Promise<User> {
    const token = await requestWebrocket(vhost, "AT", user, ".*");
    const one = new User(await connect(`${node.ws}/webrocket/chat`));
    one.#read().catch(() => {
      // The connection ends with the test.
    });
    const greeting = (await one.next()) as { readonly ":connected": { readonly sid: string } };
    one.sid = greeting[":connected"].sid;
    one.send({ auth: { token } });
    const answer = await one.next();
    if (!(":authenticated" in answer)) throw new Error(`not authenticated: ${JSON.stringify(answer)}`);
    return one;
  }

  send(frame: object): void {
    this.#client.send(frame);
  }

  /** Resolves with the next frame that is neither a ping nor a refused trigger. */
  next(): Promise<object> {
    return this.#frames.next();
  }

  /** Sends a trigger. If it is refused because the worker was just considered dead, sends it again after a heartbeat (X19). */
  trigger(event: string, data: Data, worker: PublishedWorker): void {
    this.#again = () => void worker.heartbeat().then(() => this.trigger(event, data, worker));
    this.send({ trigger: { event, data } });
  }

  async #read(): Promise<void> {
    for (;;) {
      const frame = JSON.parse(await this.#client.nextText()) as { readonly ":error"?: { readonly code: number } };
      if (frame[":error"]?.code === 503) this.#again();
      else if (!(":ping" in frame)) this.#frames.push(frame);
    }
  }
}

type Data = Readonly<Record<string, unknown>>;

/** Resolves with the worker's next matching event. Earlier events may repeat if the worker was considered dead (X20). */
async function eventOf(worker: PublishedWorker, name: string, isIt: (data: Data) => boolean): Promise<Data> {
  for (;;) {
    const { [name]: data } = (await worker.events.next()) as Readonly<Record<string, Data>>;
    if (data !== undefined && isIt(data)) return data;
  }
}

test("X14, X20: sends all of 20 triggers to a published worker, before and after its heartbeats", async () => {
  const { node, vhost } = await start();
  const worker = await PublishedWorker.start(vhost);
  const ann = await User.signIn(node, vhost, "ann");
  for (let number = 0; number < 20; number += 1) {
    ann.trigger("log", { number }, worker);
    expect(await eventOf(worker, "log", ({ number: given }) => given === number)).toEqual({ number, sid: ann.sid });
    if (number % 5 === 4) await worker.heartbeat();
  }
  expect(worker.errors).toEqual([]);
});

test("X14, X16: runs the demo chat, whose worker sends 8 messages to all", async () => {
  const { node, vhost } = await start();
  const worker = await PublishedWorker.start(vhost);
  await requestWebrocket(vhost, "OC", "presence-room");
  const [ann, bob] = [await User.signIn(node, vhost, "ann"), await User.signIn(node, vhost, "bob")];
  for (const user of [ann, bob]) {
    user.send({ subscribe: { channel: "presence-room" } });
    expect(await user.next()).toMatchObject({ ":subscribed": { channel: "presence-room" } });
    expect(await user.next()).toMatchObject({ ":memberJoined": { channel: "presence-room" } });
  }
  expect(await ann.next()).toEqual({ ":memberJoined": { uid: "bob", channel: "presence-room" } });
  for (let number = 0; number < 8; number += 1) {
    const author = number % 2 === 0 ? ann : bob;
    author.trigger("say", { text: `message ${number}` }, worker);
    const { sid: from, text } = await eventOf(worker, "say", ({ text: given }) => given === `message ${number}`);
    const said = { text, from };
    await requestWebrocket(vhost, "BC", "presence-room", "said", JSON.stringify(said));
    const message = { text: `message ${number}`, from: author.sid, channel: "presence-room" };
    for (const user of [ann, bob]) expect(await user.next()).toEqual({ said: message });
    if (number % 2 === 1) await worker.heartbeat();
  }
  expect(worker.errors).toEqual([]);
});

test("X13, X15: answers a published client with every success and every error", async () => {
  const { vhost } = await start();
  expect(await requestWebrocket(vhost, "OC", "room")).toBe("");
  // An older client also sends the kind of the channel.
  expect(await requestWebrocket(vhost, "OC", "room", "public")).toBe("");
  expect(await requestWebrocket(vhost, "BC", "room", "said", "{}")).toBe("");
  expect(await requestWebrocket(vhost, "AT", "ann", "room")).toMatch(/^[\da-f]{128}$/);
  expect(await requestWebrocket(vhost, "CC", "room")).toBe("");
  await expect(requestWebrocket(vhost, "CC", "room")).rejects.toThrow("error 454");
  await expect(requestWebrocket({ ...vhost, token: "short" }, "CC", "room")).rejects.toThrow("error 402");
});

test("X14: stops a published worker with a malformed token", async () => {
  const { vhost } = await start();
  await expect(requestWebrocket({ ...vhost, token: TOKEN.slice(1) }, "OC", "room")).rejects.toThrow("error 402");
  const worker = await PublishedWorker.start({ ...vhost, token: TOKEN.slice(1) });
  expect(worker.errors).toEqual(["402"]);
});
