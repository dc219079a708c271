import { BACKEND_ACTIONS, type BackendAction } from "../access/decide/actions.js";
import type { Backend } from "../access/keys/backend.js";
import { weightFault } from "../access/patterns/match-steps.js";
import { patternFault, patternWeight } from "../access/patterns/pattern.js";
import { invalidArgument } from "../errors.js";
import { KEY_NAME } from "../util/names.js";
import type { KeyDescription, NewVhostKey, VhostAdmin } from "../vhosts/vhost-admin.js";
import { checkGiven } from "./checks.js";
import { checkDelegation, tooMuch } from "./delegation.js";
import { checkManager, checkPath } from "./vhosts.js";

const MAX_TOPICS = 100;

export interface CreateKey {
  readonly name: string;
  readonly actions: readonly string[];
  readonly topics: readonly string[];
  /** "": the caller's. */
  readonly vhost: string;
}

/** Makes and revokes keys. */
export class KeyOperations {
  readonly #admin: VhostAdmin;

  constructor(admin: VhostAdmin) {
    this.#admin = admin;
  }

  /**
   * A key gives no more than the caller's own has.
   * @throws CarillonError invalid_argument, permission_denied, already_exists
   */
  async create(
    backend: Backend,
    { actions, name, topics, vhost }: CreateKey,
  ): Promise<{ readonly key: KeyDescription; readonly secret: string }> {
    const where = vhostOf(backend, vhost);
    if (!KEY_NAME.test(name)) throw invalidArgument("name: expected 1 to 64 letters, digits, _, . and -");
    const key: NewVhostKey = { name, actions: checkActions(backend, actions), topics: checkPatterns(backend, topics) };
    return this.#admin.createKey(where, key);
  }

  async list(backend: Backend, vhost: string): Promise<readonly KeyDescription[]> {
    return this.#admin.listKeys(vhostOf(backend, vhost));
  }

  /**
   * A backend takes away what it could have given, and no more.
   * @throws CarillonError not_found, permission_denied, failed_precondition (a configured one)
   */
  async revoke(backend: Backend, id: string, vhost: string): Promise<void> {
    checkGiven("id", id);
    const where = vhostOf(backend, vhost);
    const key = (await this.#admin.listKeys(where)).find((known) => known.id === id);
    if (key !== undefined) {
      checkActions(backend, key.actions);
      checkPatterns(backend, key.topics);
    }
    await this.#admin.revokeKey(where, id);
  }
}

/** @throws CarillonError invalid_argument, permission_denied */
function vhostOf(backend: Backend, vhost: string): string {
  if (vhost === "" || vhost === backend.vhost) return backend.vhost;
  checkPath("vhost", vhost);
  checkManager(backend);
  return vhost;
}

function checkActions(backend: Backend, actions: readonly string[]): NewVhostKey["actions"] {
  if (actions.length === 0) throw invalidArgument(`actions: at least one is needed, of ${KNOWN.join(", ")}`);
  for (const [position, action] of actions.entries()) {
    if (!isKnown(action))
      throw invalidArgument(`actions[${position}]: ${JSON.stringify(action)} is none of ${KNOWN.join(", ")}`);
    const lacks = (action === "*" ? BACKEND_ACTIONS : [action]).find((one) => !backend.actions.has(one));
    if (lacks !== undefined) throw tooMuch(backend, `the action ${JSON.stringify(lacks)}`);
  }
  return [...new Set(actions)] as NewVhostKey["actions"];
}

const KNOWN: readonly ("*" | BackendAction)[] = [...BACKEND_ACTIONS, "*"];

function isKnown(action: string): action is "*" | BackendAction {
  return (KNOWN as readonly string[]).includes(action);
}

function checkPatterns(backend: Backend, topics: readonly string[]): readonly string[] {
  if (topics.length > MAX_TOPICS)
    throw invalidArgument(`topics: ${topics.length} patterns, the limit is ${MAX_TOPICS}`);
  let weight = 0;
  for (const [position, pattern] of topics.entries()) {
    const fault = patternFault(pattern);
    if (fault !== undefined) throw invalidArgument(`topics[${position}]: ${fault}`);
    weight += patternWeight([pattern]);
    const excess = weightFault(weight);
    if (excess !== undefined) throw invalidArgument(`topics: ${excess}`);
  }
  if (backend.topics.length > 0 && topics.length === 0) throw tooMuch(backend, "all topics");
  checkDelegation(backend, topics);
  return topics;
}
