import { BACKEND_ACTIONS, type BackendAction } from "../access/decide/actions.js";
import type { Backend } from "../access/keys/backend.js";
import { weightProblem } from "../access/patterns/match-steps.js";
import { patternProblem, patternWeight } from "../access/patterns/pattern.js";
import { invalidArgument } from "../errors.js";
import { KEY_NAME } from "../util/names.js";
import type { KeyDescription, NewVhostKey, VhostAdmin } from "../vhosts/vhost-admin.js";
import { checkPresent } from "./checks.js";
import { checkDelegation, notDelegable } from "./delegation.js";
import { checkManager, checkPath } from "./vhosts.js";

const MAX_TOPICS = 100;

export interface CreateKey {
  readonly name: string;
  readonly actions: readonly string[];
  readonly topics: readonly string[];
  /** "" for the caller's vhost. */
  readonly vhost: string;
}

/** Creates, lists and revokes keys. */
export class KeyOperations {
  readonly #admin: VhostAdmin;

  constructor(admin: VhostAdmin) {
    this.#admin = admin;
  }

  /**
   * Creates a key with a subset of the rights of the caller's key.
   * @throws CarillonError invalid_argument, permission_denied, already_exists, resource_exhausted
   */
  async create(
    backend: Backend,
    { actions, name, topics, vhost }: CreateKey,
  ): Promise<{ readonly key: KeyDescription; readonly secret: string }> {
    const target = findVhost(backend, vhost);
    if (!KEY_NAME.test(name)) throw invalidArgument("name: expected 1 to 64 letters, digits, _, . and -");
    const key: NewVhostKey = { name, actions: checkActions(backend, actions), topics: checkPatterns(backend, topics) };
    return this.#admin.createKey(target, key);
  }

  async list(backend: Backend, vhost: string): Promise<readonly KeyDescription[]> {
    return this.#admin.listKeys(findVhost(backend, vhost));
  }

  /**
   * Revokes a key that the backend could have created.
   * @throws CarillonError not_found, permission_denied; failed_precondition: a configured key
   */
  async revoke(backend: Backend, id: string, vhost: string): Promise<void> {
    checkPresent("id", id);
    const target = findVhost(backend, vhost);
    const key = (await this.#admin.listKeys(target)).find((known) => known.id === id);
    if (key !== undefined) {
      checkActions(backend, key.actions);
      checkPatterns(backend, key.topics);
    }
    await this.#admin.revokeKey(target, id);
  }
}

/** Returns the requested vhost, or the backend's own. @throws CarillonError invalid_argument, permission_denied */
function findVhost(backend: Backend, vhost: string): string {
  if (vhost === "" || vhost === backend.vhost) return backend.vhost;
  checkPath("vhost", vhost);
  checkManager(backend);
  return vhost;
}

function checkActions(backend: Backend, actions: readonly string[]): NewVhostKey["actions"] {
  if (actions.length === 0) throw invalidArgument(`actions: at least one is required, of ${KNOWN.join(", ")}`);
  for (const [position, action] of actions.entries()) {
    if (!isKnown(action))
      throw invalidArgument(
        `actions[${position}]: unknown action ${JSON.stringify(action)}: expected one of ${KNOWN.join(", ")}`,
      );
    const lacks = (action === "*" ? BACKEND_ACTIONS : [action]).find((one) => !backend.actions.has(one));
    if (lacks !== undefined) throw notDelegable(backend, `the action ${JSON.stringify(lacks)}`);
  }
  return [...new Set(actions)] as NewVhostKey["actions"];
}

const KNOWN: readonly ("*" | BackendAction)[] = [...BACKEND_ACTIONS, "*"];

function isKnown(action: string): action is "*" | BackendAction {
  return (KNOWN as readonly string[]).includes(action);
}

function checkPatterns(backend: Backend, topics: readonly string[]): readonly string[] {
  if (topics.length > MAX_TOPICS) throw invalidArgument(`topics: got ${topics.length}, the limit is ${MAX_TOPICS}`);
  let weight = 0;
  for (const [position, pattern] of topics.entries()) {
    const problem = patternProblem(pattern);
    if (problem !== undefined) throw invalidArgument(`topics[${position}]: ${problem}`);
    weight += patternWeight([pattern]);
    const excess = weightProblem(weight);
    if (excess !== undefined) throw invalidArgument(`topics: ${excess}`);
  }
  if (backend.topics.length > 0 && topics.length === 0) throw notDelegable(backend, "access to all topics");
  checkDelegation(backend, topics);
  return topics;
}
