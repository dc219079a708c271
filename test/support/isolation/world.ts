import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import {
  ConnectionChange,
  ControlService,
  type WatchConnectionsResponse,
} from "../../../gen/carillon/v1/control_pb.js";
import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import { hashKey } from "../../../src/access/keys/key-secret.js";
import { signed } from "../../access/jwts.js";
import { bearer, mountsOf, STATUS, TestBackend, until } from "../backends/backend.js";
import type { TestAnswer, TestCaller } from "../backends/mounts.js";
import { connect, type NativeFrame, refusedUpgrade, type TestClient } from "../clients/native.js";
import { LOAD } from "../load.js";
import type { TestNode } from "../nodes/node.js";
import {
  BARRIER,
  DEFAULT_VHOST,
  FIRST_KEY,
  ModelClient,
  ModelVhost,
  type Path,
  PRIVATE_TOPIC,
  VHOSTS,
} from "./model.js";
import type { CallerStep, TokenStep } from "./steps.js";

const control = ControlService.method;
const tokens = TokenService.method;

/** Creates secrets that differ between vhosts. Everything else is equal. */
const keySecret = (path: Path): string => `key-of-${VHOSTS.indexOf(path)}`;
const jwtSecret = (path: Path): string => `jwt-secret-${VHOSTS.indexOf(path)}-`.padEnd(64, "j");

/** Settings of a vhost in which clients may join and publish open channels, except the topic that requires a channel token. */
export function settingsOf(path: Path) {
  return {
    client_publish: true,
    opened_only: true,
    topics: [{ match: "private", access: "private" as const }],
    jwt: { secret: jwtSecret(path) },
    tokens: { secret: `issued-secret-${VHOSTS.indexOf(path)}-`.padEnd(64, "i") },
    keys: [{ name: FIRST_KEY, hash: `sha256:${hashKey(keySecret(path))}`, actions: ["*" as const] }],
  };
}

function expectSame(actual: unknown, expected: unknown): void {
  expect(actual).toEqual(expected);
}

/** Nodes with three vhosts, the last one created at run time, and the expected state of each. */
export class IsolationWorld {
  readonly vhosts: Readonly<Record<Path, ModelVhost>>;
  readonly #nodes: readonly TestNode[];
  readonly #callers: readonly TestCaller[];
  readonly #watches = new Map<Path, AsyncGenerator<WatchConnectionsResponse>>();
  #count = 0;

  constructor(nodes: readonly TestNode[]) {
    this.#nodes = nodes;
    this.#callers = nodes.flatMap(mountsOf);
    const made = VHOSTS.map((path) => [path, new ModelVhost(path, keySecret(path))] as const);
    this.vhosts = Object.fromEntries(made) as Record<Path, ModelVhost>;
  }

  get all(): readonly ModelVhost[] {
    return Object.values(this.vhosts);
  }

  /** Returns the client of any vhost that a step's index selects. */
  client(which: number): ModelClient | undefined {
    const clients = this.all.flatMap((vhost) => vhost.clients);
    return clients[which % Math.max(clients.length, 1)];
  }

  /** Connects a user and an anonymous client to each vhost, and joins the topics that they may join. */
  async start(open: readonly (readonly string[])[]): Promise<void> {
    const made = VHOSTS[2];
    await this.#backend(DEFAULT_VHOST, 0).call(control.createVhost, { path: made, settings: settingsOf(made) });
    for (const [position, vhost] of this.all.entries()) {
      for (const node of this.#nodes.keys()) {
        await until(
          () => this.#backend(vhost.path, node).ask(control.listChannels),
          ({ status }) => status === STATUS.ok,
        );
      }
      for (const channel of [BARRIER, ...(open[position] ?? [])]) {
        await this.#backend(vhost.path, 0).call(control.openChannel, { channel });
        vhost.channels.add(channel);
      }
      const watch = this.#backend(vhost.path, position % this.#nodes.length).open(control.watchConnections, {});
      expectSame((await watch.next()).value?.change, ConnectionChange.CAUGHT_UP);
      this.#watches.set(vhost.path, watch);
    }
    await this.stored();
    for (const [position, { channels, path }] of this.all.entries()) {
      await this.connect(path, { of: path, kind: "jwt" }, "eve", position);
      await this.connect(path, undefined, "", position + 1);
      const topics = [...channels].filter((channel) => channel !== PRIVATE_TOPIC);
      for (const client of this.vhosts[path].clients) {
        await this.ask(client, { command: "join", topics });
        for (const topic of topics) client.topics.add(topic);
      }
    }
  }

  /** Resolves when every node knows the created vhost: at once on the node that created it, within a second elsewhere (A13). */
  async stored(): Promise<void> {
    for (const { channels, keys, path } of this.all) {
      const wanted = JSON.stringify([
        [...channels].toSorted(),
        [FIRST_KEY, ...keys.map(({ name }) => name)].toSorted(),
      ]);
      for (const node of this.#nodes.keys()) {
        const backend = this.#backend(path, node);
        await until(
          async () => {
            const known = await backend.call(control.listKeys, {});
            const names = known.keys.map(({ name }) => name).toSorted();
            return JSON.stringify([(await backend.call(control.listChannels, {})).channels, names]);
          },
          (answer) => answer === wanted,
          2_000 * LOAD,
        );
      }
    }
  }

  /** Makes a step's call. Checks that it is refused where the model says so, and then returns no model vhost. */
  async call<Output extends DescMessage>(
    { key, names, of, way }: CallerStep,
    method: DescMethodUnary<DescMessage, Output>,
    request: object,
  ): Promise<TestAnswer<MessageShape<Output>> & { readonly vhost: ModelVhost | undefined }> {
    const vhost = this.vhosts[of];
    const good = [vhost.secret, ...vhost.keys.map(({ secret }) => secret)];
    const secrets = [...good, ...vhost.revoked];
    const secret = secrets[key % secrets.length] ?? "";
    const caller = this.#callers[way % this.#callers.length];
    if (caller === undefined) throw new Error("no caller");
    const headers = { ...bearer(secret), ...(names === undefined ? {} : { "carillon-vhost": names }) };
    const answer = await caller.call(method, request, headers);
    if (!good.includes(secret)) expectSame(answer.status, STATUS.unauthenticated);
    else if (names !== undefined && names !== of) expectSame(answer.status, STATUS.permissionDenied);
    else return { ...answer, vhost };
    return { ...answer, vhost: undefined };
  }

  async token({ kind, of }: TokenStep, user: string): Promise<string> {
    const exp = Math.floor(Date.now() / 1_000) + 600;
    if (kind === "jwt") return signed(jwtSecret(of), "HS256", { sub: user, exp });
    const backend = this.#backend(of, 0);
    if (kind === "connection") return (await backend.call(tokens.createConnectionToken, { user })).token;
    return (await backend.call(tokens.createAccessToken, { user })).token;
  }

  async channelToken(of: Path, channel: string): Promise<string> {
    return (await this.#backend(of, 0).call(tokens.createChannelToken, { channel })).token;
  }

  /** Connects a client, or checks its refusal. */
  async connect(at: Path, token: TokenStep | undefined, user: string, node: number): Promise<void> {
    const url = `${this.#nodes[node % this.#nodes.length]?.ws}/ws${at === DEFAULT_VHOST ? "" : at}`;
    this.#count += 1;
    const label = `client-${this.#count}`;
    const shown = token === undefined ? {} : bearer(await this.token(token, user));
    const options = { headers: { "user-agent": label, ...shown } };
    if (token !== undefined && token.of !== at) {
      expectSame((await refusedUpgrade(url, options)).status, 401);
      return;
    }
    const connection = await connect(url, options);
    const vhost = this.vhosts[at];
    const client = new ModelClient(
      connection,
      label,
      await this.#idOf(at, label),
      vhost,
      token === undefined ? "" : user,
    );
    vhost.clients.push(client);
    vhost.watched.push(`opened ${label}`);
    await this.ask(client, { command: "join", topics: [BARRIER] });
    client.topics.add(BARRIER);
  }

  /** Sends a command and returns its answer. Records the messages that arrive before it. */
  async ask(client: ModelClient, command: object): Promise<NativeFrame> {
    this.#count += 1;
    const id = this.#count;
    client.connection.send({ ...command, id });
    for (;;) {
      const frame = await client.connection.next();
      if (frame.id === id) return frame;
      client.got.push(JSON.stringify(frame));
    }
  }

  /** Waits for messages in flight, then checks that each client received exactly what the model expects. */
  async settle(): Promise<void> {
    for (const client of this.all.flatMap((vhost) => vhost.clients)) {
      await this.ask(client, { command: "join", topics: [BARRIER] });
      expectSame([client.label, client.got.toSorted()], [client.label, client.expected.toSorted()]);
      client.got.length = 0;
      client.expected.length = 0;
    }
  }

  /** Checks that every watch reported exactly the connections of its own vhost. */
  async end(): Promise<void> {
    for (const vhost of this.all) await this.connect(vhost.path, undefined, "", 0);
    for (const vhost of this.all) {
      const watch = this.#watches.get(vhost.path);
      if (watch === undefined) throw new Error("no watch");
      const told: string[] = [];
      for (const _ of vhost.watched) told.push(textOf((await watch.next()).value as WatchConnectionsResponse));
      expectSame(told.toSorted(), vhost.watched.toSorted());
      await watch.return(undefined);
    }
    const left: TestClient[] = this.all.flatMap(({ clients }) => clients.map(({ connection }) => connection));
    for (const { webSocket } of left) webSocket.terminate();
    await Promise.all(left.map(({ closed }) => closed));
    await Promise.all(this.#nodes.map(({ carillon }) => carillon.stop()));
  }

  async #idOf(at: Path, label: string): Promise<string> {
    const { connections } = await this.#backend(at, 0).call(control.listConnections, {});
    const found = connections.find(({ userAgent }) => userAgent === label);
    if (found === undefined) throw new Error(`${label} is not in the list of ${at}`);
    return found.id;
  }

  #backend(path: Path, node: number): TestBackend {
    const found = this.#nodes[node];
    if (found === undefined) throw new Error("no node");
    return new TestBackend(found, bearer(keySecret(path)));
  }
}

function textOf({ change, code, connection }: WatchConnectionsResponse): string {
  const label = connection?.userAgent ?? "nobody";
  return change === ConnectionChange.CLOSED ? `closed ${label} ${code}` : `opened ${label}`;
}
