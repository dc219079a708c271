import type { Action } from "../access/decide/actions.js";
import { decide } from "../access/decide/decide.js";
import type { Principal } from "../access/decide/principal.js";
import { matchAhead } from "../access/patterns/match-ahead.js";
import type { Client } from "../clients/client.js";
import { CarillonError } from "../errors.js";

/** Why the client may not do this with the topic; undefined where it may. The reason does not tell it of others' rules. */
export function checkRight(client: Client, action: Action, topic: string): CarillonError | undefined {
  const { principal, vhost } = client;
  const absence = absenceOf(client, topic);
  if (absence !== undefined) return absence;
  const { allowed } = decide({ action, topic, principal, rules: vhost.rulesFor(topic) });
  if (allowed) return undefined;
  return new CarillonError("permission_denied", `${REFUSED[action]} ${JSON.stringify(topic)}`);
}

/**
 * Finds what {@link checkRight} needs, before it is asked about these topics; in slices where it takes long.
 * @param principals - those whose rights are asked about; undefined: the client's, as it is when they are
 * @returns undefined where it can be asked at once
 * @throws CarillonError resource_exhausted: it would take too long
 */
export function rightsAhead(
  client: Client,
  actions: readonly Action[],
  topics: Iterable<string>,
  principals?: readonly Principal[],
): Promise<void> | undefined {
  const { vhost } = client;
  // Nearly every publish of a client: nothing is allocated for it.
  if (principals === undefined && vhost.ruleMatchers.isCheap && areCheap(client.principal, actions)) return undefined;
  return matchAhead(vhost.name, function* () {
    const asked = (principals ?? [client.principal]).flatMap(({ permissions }) =>
      actions.map((action) => permissions.matchersOf(action)),
    );
    const lists = new Set([vhost.ruleMatchers, ...asked]);
    for (const list of lists) {
      if (list === undefined || list.weight === 0) continue;
      for (const name of topics) yield { list, name };
    }
  });
}

function areCheap({ permissions }: Principal, actions: readonly Action[]): boolean {
  for (const action of actions) if (permissions.matchersOf(action)?.isCheap === false) return false;
  return true;
}

/** Why nobody of its kind may join the topic, whatever the permissions say; undefined where it exists. */
export function absenceOf({ openedOnly, vhost }: Pick<Client, "openedOnly" | "vhost">, topic: string) {
  if (vhost.exists(topic) && (!openedOnly || vhost.channels.has(topic))) return undefined;
  return new CarillonError("not_found", `no channel ${JSON.stringify(topic)} is open`);
}

const REFUSED: Readonly<Record<Action, string>> = {
  join: "this client may not join",
  publish: "this client may not publish on",
  call: "this client may not call",
  presence: "this client may not see who is in",
};
