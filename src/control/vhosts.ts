import type { JsonObject } from "../access/decide/principal.js";
import type { Backend } from "../access/keys/backend.js";
import { runInTurns } from "../access/patterns/match-ahead.js";
import { matchSteps } from "../access/patterns/match-steps.js";
import { CarillonError, invalidArgument } from "../errors.js";
import { DEFAULT_VHOST, VHOST_PATH } from "../util/names.js";
import type { VhostAdmin, VhostDescription } from "../vhosts/vhost-admin.js";
import { checkPresent, checkTopic } from "./checks.js";

/** Checks that a backend may manage vhosts. @throws CarillonError permission_denied */
export function checkManager({ actions, name, vhost }: Backend): void {
  if (vhost === DEFAULT_VHOST && actions.has("vhosts")) return;
  const text = `key ${JSON.stringify(name)} lacks the action "vhosts" on the default vhost`;
  throw new CarillonError("permission_denied", text);
}

/** Checks a vhost's path. @throws CarillonError invalid_argument */
export function checkPath(field: string, path: string): void {
  checkPresent(field, path);
  if (!VHOST_PATH.test(path)) throw invalidArgument(`${field}: expected / or a path such as /shop or /shop/eu`);
}

/** Creates and changes vhosts at run time. */
export class VhostOperations {
  readonly #admin: VhostAdmin;

  constructor(admin: VhostAdmin) {
    this.#admin = admin;
  }

  async create(backend: Backend, path: string, settings: JsonObject): Promise<VhostDescription> {
    check(backend, path);
    return this.#admin.create(path, settings);
  }

  async update(backend: Backend, path: string, settings: JsonObject): Promise<VhostDescription> {
    check(backend, path);
    return this.#admin.update(path, settings);
  }

  async get(backend: Backend, path: string): Promise<VhostDescription> {
    check(backend, path);
    return this.#admin.get(path);
  }

  async list(backend: Backend): Promise<readonly VhostDescription[]> {
    checkManager(backend);
    return this.#admin.list();
  }

  async delete(backend: Backend, path: string): Promise<void> {
    check(backend, path);
    await this.#admin.delete(path);
  }
}

function check(backend: Backend, path: string): void {
  checkManager(backend);
  checkPath("path", path);
}

/** Opens and closes channels of the caller's vhost. */
export class ChannelOperations {
  readonly #admin: VhostAdmin;

  constructor(admin: VhostAdmin) {
    this.#admin = admin;
  }

  async open(backend: Backend, channel: string): Promise<boolean> {
    checkTopic(backend, "channel", channel);
    return this.#admin.openChannel(backend.vhost, channel);
  }

  async close(backend: Backend, channel: string): Promise<void> {
    checkTopic(backend, "channel", channel);
    await this.#admin.closeChannel(backend.vhost, channel);
  }

  /** Lists the open channels that the backend may use. */
  async list(backend: Backend): Promise<readonly string[]> {
    const channels = await this.#admin.listChannels(backend.vhost);
    return runInTurns(backend.vhost, filterInSteps(channels, backend));
  }
}

function* filterInSteps(channels: readonly string[], backend: Backend): Generator<number, readonly string[]> {
  const usable: string[] = [];
  for (const channel of channels) {
    if (backend.mayUse(channel)) usable.push(channel);
    yield matchSteps(backend.matchers.weight, channel) + 1;
  }
  return usable;
}
