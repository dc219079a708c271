import type { AdmittedClient } from "../clients/admission.js";
import type { Client } from "../clients/client.js";
import { enter } from "./enter.js";
import { leaveTopic } from "./handlers/leave.js";
import { absenceOf, rightsAhead } from "./rights.js";
import type { Services } from "./services.js";
import { distinctTopics } from "./topics.js";

/**
 * Joins topics for a client, whatever its permissions say, and tells it.
 * @throws CarillonError as a join does, but for its rights: a channel must exist. Nothing was joined
 */
export async function joinOnBehalf(client: Client, broker: string, topics: readonly string[], services: Services) {
  const names = distinctTopics(topics);
  const onEntered = (): void => client.connection.notify({ kind: "joined", topics: [...names] });
  const refusal = (topic: string) => absenceOf(client, topic);
  // The topics' rules are looked up.
  const ahead = rightsAhead(client, [], names);
  if (ahead !== undefined) await ahead;
  await enter(client, { broker, topics: names, refusal, onEntered }, services);
}

/** Opens an admitted client's session, and joins it to the topics that its token or backend names. */
export function openClient(client: Client, { topics }: AdmittedClient, services: Services): void {
  services.clients.add(client);
  if (topics.length === 0) return;
  joinOnBehalf(client, "", topics, services).catch((error: unknown) => {
    services.onFailedJoin(client.session.id, error);
    services.clients.disconnect(client, "not_joined");
  });
}

/** Leaves topics for a client, and tells it which of them it was in. */
export function leaveOnBehalf(client: Client, broker: string, topics: readonly string[], services: Services): void {
  const left = leaveTopic(client, broker, distinctTopics(topics), services);
  if (left.length > 0) client.connection.notify({ kind: "left", topics: left });
}
