import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import { STATUS } from "../backends/backend.js";
import {
  DEFAULT_VHOST,
  FIRST_KEY,
  type ModelClient,
  type ModelVhost,
  type Path,
  PRIVATE_TOPIC,
  VHOSTS,
} from "./model.js";
import type { CallerStep, Step, TargetStep } from "./steps.js";
import type { IsolationWorld } from "./world.js";

const control = ControlService.method;

type StepOf<Kind extends Step["kind"]> = Extract<Step, { kind: Kind }>;
type Runs = {
  readonly [Kind in Step["kind"]]: (world: IsolationWorld, step: StepOf<Kind>, number: number) => Promise<void>;
};

/** Runs a step against the nodes and the model, and compares the answers. */
export async function runStep(world: IsolationWorld, step: Step, number: number): Promise<void> {
  await (RUNS[step.kind] as (world: IsolationWorld, step: Step, number: number) => Promise<void>)(world, step, number);
}

const RUNS: Runs = {
  connect: (world, { at, node, token, user }) => world.connect(at, token, user, node),

  authenticate: async (world, { token, user, who }) => {
    const client = world.client(who);
    if (client === undefined) return;
    const answer = await world.ask(client, { command: "authenticate", payload: await world.token(token, user) });
    const other = client.user !== "" && client.user !== user ? "failed_precondition" : undefined;
    const refused = token.of === client.vhost.path ? other : "unauthenticated";
    expect(outcome(answer)).toEqual(refused ?? "@authenticate");
    if (refused === undefined) client.user = user;
  },

  join: async (world, { opens, topics, who }) => {
    const client = world.client(who);
    if (client === undefined) return;
    const auth = opens === undefined ? {} : { auth: await world.channelToken(opens, PRIVATE_TOPIC) };
    const answer = await world.ask(client, { command: "join", topics, ...auth });
    const refused = client.vhost.refusal(topics, opens);
    expect(outcome(answer)).toEqual(refused ?? "@join");
    if (refused === undefined) for (const topic of topics) client.topics.add(topic);
  },

  leave: async (world, { topics, who }) => {
    const client = world.client(who);
    if (client === undefined) return;
    expect(outcome(await world.ask(client, { command: "leave", topics }))).toBe("@leave");
    for (const topic of topics) client.topics.delete(topic);
  },

  clientPublish: async (world, { topics, who }, number) => {
    const client = world.client(who);
    if (client === undefined) return;
    const payload = `${client.vhost.path} ${number}`;
    const answer = await world.ask(client, { command: "publish", topics, payload });
    const refused = client.vhost.refusal(topics);
    expect(outcome(answer)).toEqual(refused ?? "@publish");
    if (refused === undefined) client.vhost.deliver(topics, payload);
  },

  publish: async (world, { caller, topics }, number) => {
    const payload = `${caller.of} ${number}`;
    const request = { messages: [{ topics, payload: Buffer.from(payload) }] };
    const { status, vhost } = await world.call(caller, BroadcastService.method.publish, request);
    if (vhost === undefined) return;
    expect(status).toBe(STATUS.ok);
    vhost.deliver(topics, payload);
  },

  listConnections: async (world, { caller, topic, user }) => {
    const { answer, status, vhost } = await world.call(caller, control.listConnections, { topic, user });
    if (vhost === undefined) return;
    expect(status).toBe(STATUS.ok);
    const meant = vhost.clients.filter(
      (client) => (user === "" || client.user === user) && (topic === "" || client.topics.has(topic)),
    );
    expect(answer.connections.map(({ userAgent }) => userAgent).toSorted()).toEqual(labels(meant));
  },

  getConnection: async (world, { caller, who }) => {
    const client = world.client(who);
    if (client === undefined) return;
    const { answer, status, vhost } = await world.call(caller, control.getConnection, { id: client.id });
    if (vhost === undefined) return;
    expect(status).toBe(client.vhost === vhost ? STATUS.ok : STATUS.notFound);
    if (client.vhost !== vhost) return;
    expect(answer.connection).toMatchObject({ user: client.user, userAgent: client.label });
    expect(answer.topics.map(({ topic }) => topic).toSorted()).toEqual([...client.topics].toSorted());
  },

  listTopics: async (world, { caller }) => {
    const { answer, status, vhost } = await world.call(caller, control.listTopics, {});
    if (vhost === undefined) return;
    expect(status).toBe(STATUS.ok);
    const names = [...new Set(vhost.clients.flatMap(({ topics }) => [...topics]))].toSorted();
    expect(answer.topics.map(({ name, sessions }) => [name, sessions])).toEqual(
      names.map((name) => [name, vhost.in(name).length]),
    );
  },

  disconnect: async (world, { caller, target }) => {
    const about = targetOf(world, target);
    const { answer, status, vhost } = await world.call(caller, control.disconnect, about);
    if (vhost === undefined) return;
    expect(status).toBe(STATUS.ok);
    const meant = meantBy(world, vhost, target);
    expect(answer.connections).toBe(meant.length);
    for (const client of meant) {
      expect((await client.connection.closed).code).toBe(4403);
      expect(client.connection.unread).toEqual([]);
      vhost.drop(client, 4403);
    }
  },

  subscribe: async (world, { caller, target, topics }) => {
    const request = { ...targetOf(world, target), topics };
    const { answer, status, vhost } = await world.call(caller, control.subscribe, request);
    if (vhost === undefined) return;
    const open = topics.every((topic) => vhost.channels.has(topic));
    expect(status).toBe(open ? STATUS.ok : STATUS.notFound);
    if (!open) return;
    const meant = meantBy(world, vhost, target);
    expect(answer.connections).toBe(meant.length);
    vhost.subscribe(meant, topics);
  },

  unsubscribe: async (world, { caller, target, topics }) => {
    const request = { ...targetOf(world, target), topics };
    const { answer, status, vhost } = await world.call(caller, control.unsubscribe, request);
    if (vhost === undefined) return;
    expect(status).toBe(STATUS.ok);
    const meant = meantBy(world, vhost, target);
    expect(answer.connections).toBe(meant.length);
    vhost.unsubscribe(meant, topics);
  },

  openChannel: async (world, { caller, channel }) => {
    const { answer, status, vhost } = await world.call(caller, control.openChannel, { channel });
    if (vhost === undefined) return;
    expect([status, answer.opened]).toEqual([STATUS.ok, !vhost.channels.has(channel)]);
    vhost.channels.add(channel);
    await world.stored();
  },

  closeChannel: async (world, { caller, channel }) => {
    const { status, vhost } = await world.call(caller, control.closeChannel, { channel });
    if (vhost === undefined) return;
    const open = vhost.channels.delete(channel);
    expect(status).toBe(open ? STATUS.ok : STATUS.notFound);
    vhost.unsubscribe(open ? vhost.in(channel) : [], [channel]);
    await world.stored();
  },

  listChannels: async (world, { caller }) => {
    const { answer, vhost } = await world.call(caller, control.listChannels, {});
    if (vhost !== undefined) expect(answer.channels).toEqual([...vhost.channels].toSorted());
  },

  createKey: async (world, { caller, name, vhost: where }) => {
    const request = { name, actions: ["*"], vhost: where ?? "" };
    const { answer, status, vhost } = await world.call(caller, control.createKey, request);
    const about = managed(world, vhost, where, status);
    if (about === undefined) return;
    if (about.keys.some((key) => key.name === name)) {
      expect(status).toBe(STATUS.alreadyExists);
      return;
    }
    expect(status).toBe(STATUS.ok);
    about.keys.push({ id: answer.key?.id ?? "", name, secret: answer.secret });
    await world.stored();
  },

  listKeys: async (world, { caller, vhost: where }) => {
    const { answer, status, vhost } = await world.call(caller, control.listKeys, { vhost: where ?? "" });
    const about = managed(world, vhost, where, status);
    if (about === undefined) return;
    expect(answer.keys.map(({ name }) => name)).toEqual([FIRST_KEY, ...about.keys.map(({ name }) => name)]);
  },

  revokeKey: async (world, { caller, key, of, vhost: where }) => {
    const { keys } = world.vhosts[of];
    const meant = keys[key % Math.max(keys.length, 1)];
    if (meant === undefined) return;
    const { status, vhost } = await world.call(caller, control.revokeKey, { id: meant.id, vhost: where ?? "" });
    const about = managed(world, vhost, where, status);
    if (about === undefined) return;
    expect(status).toBe(about === world.vhosts[of] ? STATUS.ok : STATUS.notFound);
    if (about !== world.vhosts[of]) return;
    keys.splice(keys.indexOf(meant), 1);
    about.revoked.push(meant.secret);
    await world.stored();
  },

  listVhosts: async (world, { caller }) => {
    const { answer, status, vhost } = await world.call(caller, control.listVhosts, {});
    if (vhost === undefined) return;
    const mayManage = vhost.path === DEFAULT_VHOST;
    expect(status).toBe(mayManage ? STATUS.ok : STATUS.permissionDenied);
    if (mayManage) expect(answer.vhosts.map(({ path }) => path)).toEqual([...VHOSTS].toSorted());
  },
};

function outcome({ error, topic }: { readonly topic: string; readonly error?: { readonly code: string } }): string {
  return error?.code ?? topic;
}

function labels(clients: readonly ModelClient[]): string[] {
  return clients.map(({ label }) => label).toSorted();
}

/** Returns the target as the request names it. An unknown connection belongs to no vhost. */
function targetOf(world: IsolationWorld, target: TargetStep) {
  if ("user" in target) return { target: { target: { case: "user", value: target.user } } };
  const id = world.client(target.connection)?.id ?? "none";
  return { target: { target: { case: "connectionId", value: id } } };
}

/** Returns the clients that the model expects to be affected: never those of another vhost. */
function meantBy(world: IsolationWorld, vhost: ModelVhost, target: TargetStep): ModelClient[] {
  if ("user" in target) return vhost.ofUser(target.user);
  const client = world.client(target.connection);
  return client?.vhost === vhost ? [client] : [];
}

/** Returns the vhost whose keys the step manages; undefined if the caller was refused. */
function managed(
  world: IsolationWorld,
  caller: ModelVhost | undefined,
  where: CallerStep["names"],
  status: number,
): ModelVhost | undefined {
  if (caller === undefined) return undefined;
  const about: Path = where ?? caller.path;
  if (about === caller.path || caller.path === DEFAULT_VHOST) return world.vhosts[about];
  expect(status).toBe(STATUS.permissionDenied);
  return undefined;
}
