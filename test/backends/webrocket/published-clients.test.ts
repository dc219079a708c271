import { connect } from "../../support/client.js";
import { startNode, type TestNode } from "../../support/node.js";
import { PublishedWorker, requestWebrocket, type WebrocketVhost } from "../../support/webrocket-backends.js";
import { TOKEN } from "./support.js";

async function start(): Promise<{ readonly node: TestNode; readonly vhost: WebrocketVhost }> {
  const node = await startNode({
    vhosts: { "/chat": { webrocket: { access_token: TOKEN } } },
    webrocket: { backend: "127.0.0.1:0" },
  });
  const port = Number(node.carillon.addresses?.webrocketBackend?.split(":")[1]);
  return { node, vhost: { port, path: "/chat", token: TOKEN } };
}

interface User {
  readonly sid: string;
  send(frame: object): void;
  /** The next frame that is no ping. */
  next(): Promise<unknown>;
}

/** A user of the demo chat: its server gets it a token, with which it authenticates. */
async function signIn(node: TestNode, vhost: WebrocketVhost, user: string): Promise<User> {
  const token = await requestWebrocket(vhost, "AT", user, ".*");
  const client = await connect(`${node.ws}/webrocket/chat`);
  const next = async (): Promise<unknown> => {
    const frame = JSON.parse(await client.nextText()) as object;
    return ":ping" in frame ? next() : frame;
  };
  const greeting = (await next()) as { readonly ":connected": { readonly sid: string } };
  client.send({ auth: { token } });
  expect(await next()).toEqual({ ":authenticated": {} });
  return { sid: greeting[":connected"].sid, send: (frame) => client.send(frame), next };
}

type Data = Readonly<Record<string, unknown>>;

/** The worker's next event like this. One that it has had before comes again where it was taken for dead meanwhile (X20). */
async function eventOf(worker: PublishedWorker, name: string, isIt: (data: Data) => boolean): Promise<Data> {
  for (;;) {
    const { [name]: data } = (await worker.events.next()) as Readonly<Record<string, Data>>;
    if (data !== undefined && isIt(data)) return data;
  }
}

test("X14, X20: a published worker gets all of 20 triggers, before and after its heartbeats", async () => {
  const { node, vhost } = await start();
  const worker = await PublishedWorker.start(vhost);
  const ann = await signIn(node, vhost, "ann");
  for (let number = 0; number < 20; number += 1) {
    ann.send({ trigger: { event: "log", data: { number } } });
    expect(await eventOf(worker, "log", ({ number: given }) => given === number)).toEqual({ number, sid: ann.sid });
    if (number % 5 === 4) await worker.heartbeat();
  }
  expect(worker.errors).toEqual([]);
});

test("X14, X16: the demo chat: all of 8 messages come to all, by way of its worker", async () => {
  const { node, vhost } = await start();
  const worker = await PublishedWorker.start(vhost);
  await requestWebrocket(vhost, "OC", "presence-room");
  const [ann, bob] = [await signIn(node, vhost, "ann"), await signIn(node, vhost, "bob")];
  for (const user of [ann, bob]) {
    user.send({ subscribe: { channel: "presence-room" } });
    expect(await user.next()).toMatchObject({ ":subscribed": { channel: "presence-room" } });
    expect(await user.next()).toMatchObject({ ":memberJoined": { channel: "presence-room" } });
  }
  expect(await ann.next()).toEqual({ ":memberJoined": { uid: "bob", channel: "presence-room" } });
  for (let number = 0; number < 8; number += 1) {
    const author = number % 2 === 0 ? ann : bob;
    author.send({ trigger: { event: "say", data: { text: `message ${number}` } } });
    const { sid: from, text } = await eventOf(worker, "say", ({ text: given }) => given === `message ${number}`);
    const said = { text, from };
    await requestWebrocket(vhost, "BC", "presence-room", "said", JSON.stringify(said));
    const message = { text: `message ${number}`, from: author.sid, channel: "presence-room" };
    for (const user of [ann, bob]) expect(await user.next()).toEqual({ said: message });
    if (number % 2 === 1) await worker.heartbeat();
  }
  expect(worker.errors).toEqual([]);
});

test("X13, X15: a published client reads every success, and every error", async () => {
  const { vhost } = await start();
  expect(await requestWebrocket(vhost, "OC", "room")).toBe("");
  // An older client names the kind of the channel as well.
  expect(await requestWebrocket(vhost, "OC", "room", "public")).toBe("");
  expect(await requestWebrocket(vhost, "BC", "room", "said", "{}")).toBe("");
  expect(await requestWebrocket(vhost, "AT", "ann", "room")).toMatch(/^[\da-f]{128}$/);
  expect(await requestWebrocket(vhost, "CC", "room")).toBe("");
  await expect(requestWebrocket(vhost, "CC", "room")).rejects.toThrow("error 454");
  await expect(requestWebrocket({ ...vhost, token: "short" }, "CC", "room")).rejects.toThrow("error 402");
});

test("X14: a published worker whose token is malformed is told to stop, and does", async () => {
  const { vhost } = await start();
  await expect(requestWebrocket({ ...vhost, token: TOKEN.slice(1) }, "OC", "room")).rejects.toThrow("error 402");
  const worker = await PublishedWorker.start({ ...vhost, token: TOKEN.slice(1) });
  expect(worker.errors).toEqual(["402"]);
});
