import { ACTIONS, type Action } from "../access/decide/actions.js";
import { type Decision, decide } from "../access/decide/decide.js";
import { Permissions } from "../access/decide/permissions.js";
import type { Principal } from "../access/decide/principal.js";
import type { Backend } from "../access/keys/backend.js";
import type { Clients } from "../clients/clients.js";
import type { Cluster } from "../cluster/cluster.js";
import { fromSessionUuid } from "../core/session-uuid.js";
import { labelProblem } from "../core/topic-name.js";
import { CarillonError, invalidArgument } from "../errors.js";
import type { Vhost } from "../vhosts/vhost.js";
import { checkPresent, checkTopic } from "./checks.js";
import { findClients } from "./target.js";

export interface AccessExplanationsOptions {
  readonly cluster: Cluster;
  readonly clients: Clients;
  /** @throws CarillonError not_found */
  readonly requireVhost: (path: string) => Vhost;
}

/** Client whose access is explained: a connected one, one with these permissions, or one without a token. */
export type ExplainedCaller =
  | { readonly connectionId: string }
  | { readonly permissions: Permissions }
  | { readonly anonymous: true };

type ExplainBody = { readonly vhost: string; readonly id: string; readonly action: Action; readonly topic: string };

const EXPLAIN = "access.explain";

/** Explains decisions about clients of a vhost with its present rules (rule C9). */
export class AccessExplanations {
  readonly #options: AccessExplanationsOptions;

  constructor(options: AccessExplanationsOptions) {
    this.#options = options;
    options.cluster.handle(EXPLAIN, (body) => this.#explainHere(body as unknown as ExplainBody));
  }

  /**
   * Makes the decision that a node would make at present, with the reason.
   * @throws CarillonError invalid_argument; permission_denied: the backend may not use the topic; not_found: unknown
   * connection; unavailable: it may be on a node that did not answer
   */
  async explain(
    backend: Backend,
    { action, client, topic }: { readonly action: string; readonly topic: string; readonly client: ExplainedCaller },
  ): Promise<Decision> {
    const known = ACTIONS.find((one) => one === action);
    if (known === undefined) throw invalidArgument(`action: expected one of ${ACTIONS.join(", ")}`);
    if (known === "call") checkPresent("topic", topic);
    const problem = known === "call" ? labelProblem(topic) : undefined;
    if (problem !== undefined) throw invalidArgument(`topic ${problem}`);
    if (known !== "call") checkTopic(backend, "topic", topic);
    if ("connectionId" in client) return this.#explainConnected(backend.vhost, client.connectionId, known, topic);
    const vhost = this.#options.requireVhost(backend.vhost);
    if ("anonymous" in client) {
      if (vhost.anonymous === undefined) return { allowed: false, reason: "the vhost requires a token" };
      return explainFor(vhost, vhost.anonymous, known, topic);
    }
    const permissions = client.permissions.merged(Permissions.of(vhost.settings.anonymous.permissions));
    return explainFor(vhost, { user: undefined, permissions }, known, topic);
  }

  async #explainConnected(vhost: string, connectionId: string, action: Action, topic: string): Promise<Decision> {
    checkPresent("connection_id", connectionId);
    const id = fromSessionUuid(connectionId);
    const { answers, missing } = await this.#options.cluster.ask(EXPLAIN, { vhost, id, action, topic });
    const found = [...answers.values()].find((answer) => answer !== null) as Decision | undefined;
    if (found !== undefined) return found;
    const text = `unknown connection ${JSON.stringify(connectionId)}`;
    if (missing.length === 0) throw new CarillonError("not_found", text);
    throw new CarillonError("unavailable", `${text} on the nodes that answered; missing nodes: ${missing.join(", ")}`);
  }

  #explainHere({ action, id, topic, vhost }: ExplainBody): { allowed: boolean; reason: string } | null {
    const [client] = findClients(this.#options.clients, vhost, { connectionId: id });
    return client === undefined ? null : explainFor(client.vhost, client.principal, action, topic);
  }
}

function explainFor(
  vhost: Vhost,
  principal: Pick<Principal, "user" | "permissions" | "terms">,
  action: Action,
  topic: string,
): { allowed: boolean; reason: string } {
  if (action !== "call" && !vhost.exists(topic)) {
    return { allowed: false, reason: `channel ${JSON.stringify(topic)} is not open` };
  }
  const { allowed, reason } = decide({ action, topic, principal, rules: vhost.rulesFor(topic) });
  return { allowed, reason };
}
