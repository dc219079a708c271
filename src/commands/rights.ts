import type { Action } from "../access/actions.js";
import { decide } from "../access/decide.js";
import type { Client } from "../clients/client.js";
import { CarillonError } from "../errors.js";

/** Why the client may not do this with the topic; undefined where it may. The reason does not tell it of others' rules. */
export function refusalOf(client: Client, action: Action, topic: string): CarillonError | undefined {
  const { principal, vhost } = client;
  const absence = absenceOf(client, topic);
  if (absence !== undefined) return absence;
  const { allowed } = decide({ action, topic, principal, rules: vhost.rulesFor(topic) });
  if (allowed) return undefined;
  return new CarillonError("permission_denied", `${REFUSED[action]} ${JSON.stringify(topic)}`);
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
