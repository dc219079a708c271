import type { Topics } from "../../../control/topics.js";
import { CarillonError, type ErrorCode, HTTP_STATUS } from "../../../errors.js";
import { DEFAULT_VHOST } from "../../../util/names.js";
import type { Vhost } from "../../../vhosts/vhost.js";
import type { VhostAdmin } from "../../../vhosts/vhost-admin.js";
import type { Dispatch } from "../../../workers/dispatch.js";
import { createAccessToken } from "../access.js";
import { isWebrocketChannel } from "../channel.js";
import { channelJson, vhostJson, workerJson } from "./admin-json.js";
import type { AdminResource } from "./admin-path.js";

/** Number of vhosts or channels that are deleted concurrently. */
const CONCURRENCY = 10;

export interface AdminServices {
  readonly vhosts: {
    get(path: string): Vhost | undefined;
    readonly all: Iterable<Vhost>;
    /** False while the store has not been read: a vhost that is not found may exist. */
    readonly loaded: boolean;
  };
  readonly admin: VhostAdmin;
  readonly dispatch: Pick<Dispatch, "list">;
  readonly topics: Pick<Topics, "size">;
}

export interface AdminAnswer {
  /** 200: read; 202: deleted; 302: created or changed, with its path in `location`. */
  readonly status: 200 | 202 | 302;
  readonly body: object;
  readonly location?: string;
}

const DELETED: AdminAnswer = { status: 202, body: {} };

function read(body: object): AdminAnswer {
  return { status: 200, body };
}

/** Refusal with WebRocket's error text and status. */
export class AdminRefusal extends CarillonError {
  constructor(
    code: ErrorCode,
    message: string,
    readonly status: number = HTTP_STATUS[code],
  ) {
    super(code, message);
  }
}

/** Refusal of a method that a path does not have. */
export class MethodRefusal extends AdminRefusal {
  /** @param allow - methods of the path */
  constructor(readonly allow: string) {
    super("unimplemented", `method not allowed; allowed: ${allow}`, 405);
  }
}

/** Resource of a request; "" for a part that does not apply. */
interface Target {
  readonly path: string;
  readonly channel: string;
}

type Operation = (services: AdminServices, about: Target) => AdminAnswer | Promise<AdminAnswer>;

/** Operations by kind of resource and method. */
const OPERATIONS: Readonly<Record<AdminResource["kind"], ReadonlyMap<string, Operation>>> = {
  vhosts: new Map<string, Operation>([
    ["GET", listVhosts],
    ["DELETE", deleteVhosts],
  ]),
  vhost: new Map<string, Operation>([
    ["POST", createVhost],
    ["GET", (services, { path }) => read({ vhost: vhostJson(find(services, path)) })],
    ["DELETE", deleteVhost],
  ]),
  token: new Map([["PUT", renewToken]]),
  channels: new Map<string, Operation>([
    ["GET", listChannels],
    ["DELETE", closeChannels],
  ]),
  channel: new Map<string, Operation>([
    ["POST", openChannel],
    ["GET", showChannel],
    ["DELETE", closeChannel],
  ]),
  workers: new Map([["GET", listWorkers]]),
};

/**
 * Carries out a request.
 * @throws CarillonError as VhostAdmin and Dispatch do; AdminRefusal
 */
export async function operate(method: string, place: AdminResource, services: AdminServices): Promise<AdminAnswer> {
  const operations = OPERATIONS[place.kind];
  const operation = operations.get(method === "HEAD" ? "GET" : method);
  if (operation === undefined) {
    throw new MethodRefusal([...operations.keys()].join(", "));
  }
  const path = "vhost" in place ? place.vhost : "";
  return operation(services, { path, channel: "channel" in place ? place.channel : "" });
}

function find({ vhosts }: AdminServices, path: string): Vhost {
  const vhost = path === DEFAULT_VHOST ? undefined : vhosts.get(path);
  if (vhost !== undefined) return vhost;
  checkLoaded(vhosts);
  throw new AdminRefusal("not_found", "vhost doesn't exist");
}

/**
 * Refuses requests until the store has been read, because a vhost that is not found may exist.
 * @throws AdminRefusal unavailable
 */
function checkLoaded({ loaded }: AdminServices["vhosts"]): void {
  if (!loaded) throw new AdminRefusal("unavailable", "the vhosts are still loading: try again");
}

function listVhosts({ vhosts }: AdminServices): AdminAnswer {
  checkLoaded(vhosts);
  const all = [...vhosts.all].filter(({ name }) => name !== DEFAULT_VHOST);
  return read({ vhosts: all.toSorted((one, other) => (one.name < other.name ? -1 : 1)).map(vhostJson) });
}

/** Deletes all vhosts except those of the configuration, which the answer lists. */
async function deleteVhosts(services: AdminServices): Promise<AdminAnswer> {
  const { admin, vhosts } = services;
  checkLoaded(vhosts);
  const made = [...vhosts.all].filter(({ configured }) => !configured);
  await inTurns(made, ({ name }) => forgiving("not_found", admin.delete(name)));
  return { ...listVhosts(services), status: 202 };
}

async function createVhost(services: AdminServices, { path }: Target): Promise<AdminAnswer> {
  try {
    await services.admin.create(path, { webrocket: { access_token: createAccessToken() } });
  } catch (error) {
    if (CarillonError.from(error).code !== "already_exists") throw error;
    throw new AdminRefusal("already_exists", "vhost already exists", 400);
  }
  return changedVhost(services, path);
}

async function deleteVhost(services: AdminServices, { path }: Target): Promise<AdminAnswer> {
  find(services, path);
  await services.admin.delete(path);
  return DELETED;
}

async function renewToken(services: AdminServices, { path }: Target): Promise<AdminAnswer> {
  find(services, path);
  await services.admin.replaceDialectSettings(path, "webrocket", { access_token: createAccessToken() });
  return changedVhost(services, path);
}

function changedVhost(services: AdminServices, path: string): AdminAnswer {
  return { status: 302, location: path, body: { vhost: vhostJson(find(services, path)) } };
}

function listChannels(services: AdminServices, { path }: Target): AdminAnswer {
  const { channels } = find(services, path);
  checkLoaded(services.vhosts);
  return read({ channels: [...channels].toSorted().map((name) => channelJson(path, name)) });
}

async function closeChannels(services: AdminServices, { path }: Target): Promise<AdminAnswer> {
  const { channels } = find(services, path);
  checkLoaded(services.vhosts);
  await inTurns([...channels], (channel) => forgiving("not_found", services.admin.closeChannel(path, channel)));
  return DELETED;
}

async function openChannel(services: AdminServices, { channel, path }: Target): Promise<AdminAnswer> {
  find(services, path);
  checkName(channel);
  if (!(await services.admin.openChannel(path, channel))) {
    throw new AdminRefusal("already_exists", "channel already exists", 400);
  }
  return { status: 302, location: `${path}/channels/${channel}`, body: { channel: channelJson(path, channel) } };
}

/** Shows a channel with the number of its subscribers in all protocols, on all nodes that answer. */
async function showChannel(services: AdminServices, about: Target): Promise<AdminAnswer> {
  findChannel(services, about);
  const { value: size } = await services.topics.size(about.path, about.channel);
  return read({ channel: { ...channelJson(about.path, about.channel), subscribers: { size } } });
}

async function closeChannel(services: AdminServices, about: Target): Promise<AdminAnswer> {
  findChannel(services, about);
  await services.admin.closeChannel(about.path, about.channel);
  return DELETED;
}

/** @throws AdminRefusal */
function findChannel(services: AdminServices, { channel, path }: Target): void {
  const { channels } = find(services, path);
  checkName(channel);
  if (!channels.has(channel)) checkLoaded(services.vhosts);
  if (!channels.has(channel)) throw new AdminRefusal("not_found", "channel doesn't exist");
}

function checkName(channel: string): void {
  if (!isWebrocketChannel(channel)) throw new AdminRefusal("invalid_argument", "invalid channel name");
}

async function listWorkers(services: AdminServices, { path }: Target): Promise<AdminAnswer> {
  find(services, path);
  const { missing, more, workers } = await services.dispatch.list(path);
  return read({ workers: workers.map((worker) => workerJson(path, worker)), more, missing });
}

async function inTurns<Item>(items: readonly Item[], run: (item: Item) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += CONCURRENCY) {
    await Promise.all(items.slice(start, start + CONCURRENCY).map(run));
  }
}

/** Ignores errors of one code, for example after a concurrent deletion. */
async function forgiving(code: ErrorCode, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (CarillonError.from(error).code !== code) throw error;
  }
}
