import type { AdmittedClient } from "../clients/admission.js";
import type { Client } from "../clients/client.js";
import { checkExists, parseTopics, prepareRights } from "./checks.js";
import type { CommandContext } from "./command-context.js";
import { exit } from "./exit.js";
import { joinTopics } from "./join-topics.js";

/**
 * Joins topics on a client's behalf, regardless of its permissions, and notifies it.
 * @throws CarillonError as a join does, without a check of permissions; nothing was joined
 */
export async function joinOnBehalf(client: Client, broker: string, topics: readonly string[], context: CommandContext) {
  const names = parseTopics(topics);
  const onJoined = (): void => client.connection.notify({ kind: "joined", topics: [...names] });
  const refusal = (topic: string) => checkExists(client, topic);
  // No permissions are needed: this only prepares the topics' rules.
  const ahead = prepareRights(client, [], names);
  if (ahead !== undefined) await ahead;
  await joinTopics(client, { broker, topics: names, refusal, onJoined }, context);
}

/** Opens an admitted client's session, and joins the topics that the connect hook has chosen. Closes it if that fails. */
export function openClient(client: Client, { topics }: AdmittedClient, context: CommandContext): void {
  context.clients.add(client);
  joinAdmitted(client, topics, context);
}

/** Joins the topics that the connect hook has chosen. Closes the client's connection if that fails. */
export function joinAdmitted(client: Client, topics: readonly string[], context: CommandContext): void {
  if (topics.length === 0) return;
  joinOnBehalf(client, "", topics, context).catch((error: unknown) => {
    context.onFailedJoin(client.session.id, error);
    context.clients.disconnect(client, "not_joined");
  });
}

/** Leaves topics on a client's behalf, and notifies it of those that it was in. */
export function leaveOnBehalf(
  client: Client,
  broker: string,
  topics: readonly string[],
  context: CommandContext,
): void {
  const left = exit(client, broker, parseTopics(topics), context);
  if (left.length > 0) client.connection.notify({ kind: "left", topics: left });
}
