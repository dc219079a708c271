import { decide } from "../access/decide.js";
import type { Principal } from "../access/principal.js";
import type { Client } from "../clients/client.js";
import type { Topic } from "../core/topic.js";
import { CarillonError } from "../errors.js";
import type { AuthenticateCommand, Reply } from "./command.js";
import type { Services } from "./services.js";

/**
 * A fresh token on a live connection: it extends the session, gives an anonymous one a user, and changes what it may do.
 * Topics that the old permissions opened and the new ones do not are left, and the client is told which.
 */
export async function authenticate(
  command: AuthenticateCommand,
  client: Client,
  services: Services,
  reply: Reply,
): Promise<void> {
  if (command.token === "") throw new CarillonError("invalid_argument", "payload: a token is needed");
  const authenticated = await client.vhost.authenticator.authenticate(command.token);
  const before = client.principal;
  try {
    if (!client.session.open) throw new CarillonError("cancelled", "the session has ended");
    if (before.user !== undefined && authenticated.principal.user !== before.user) {
      throw new CarillonError("failed_precondition", "the connection is another user's: open a new one");
    }
    client.takeToken(authenticated);
  } catch (error) {
    authenticated.release?.();
    throw error;
  }
  services.clients.change(client, authenticated.principal);
  reply({ ok: true });
  exitLost(client, before, services.hub);
}

/** Takes a client out of the topics that it was in by its old principal, and may no longer be in. */
function exitLost(client: Client, before: Principal, hub: Services["hub"]): void {
  const lost = [...client.session.memberships.keys()].filter(
    (topic) => mayJoin(topic, before) && !mayJoin(topic, client.principal),
  );
  for (const topic of lost) hub.leave(client.session, topic);
  if (lost.length > 0) client.connection.notify({ kind: "left", topics: lost.map(({ name }) => name) });
}

function mayJoin({ name, rules }: Topic, principal: Principal): boolean {
  return decide({ action: "join", topic: name, principal, rules }).allowed;
}
