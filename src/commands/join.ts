import type { Client } from "../clients/client.js";
import { CarillonError } from "../errors.js";
import type { JoinCommand, Reply } from "./command.js";
import { enter } from "./enter.js";
import { applyChanges, asked } from "./hooks.js";
import { absenceOf, refusalOf } from "./rights.js";
import type { Services } from "./services.js";
import { distinctTopics } from "./topics.js";

/** Joins all of the topics or none (O4): what the rules, the permissions and the backend say comes first. */
export async function join(command: JoinCommand, client: Client, services: Services, reply: Reply): Promise<void> {
  const { brokers, topicsPerConnection } = services;
  const limit = topicsPerConnection(client.vhost.name);
  // Each of them is decided on, and the backend asked: not for more than could be joined.
  if (command.topics.length > limit) {
    throw new CarillonError("resource_exhausted", `${command.topics.length} topics, the limit is ${limit}`);
  }
  const topics = distinctTopics(command.topics);
  brokers.resolve(client.vhost.name, command.broker);
  const byToken = new Set<string>();
  for (const topic of topics) {
    const refusal = refusalOf(client, "join", topic);
    if (refusal === undefined) continue;
    // A channel token opens what permissions do not, and nothing that does not exist.
    if (command.auth === undefined || refusal.code !== "permission_denied") throw refusal;
    await client.vhost.authenticator.checkChannelToken(command.auth, topic);
    byToken.add(topic);
  }
  const changes = await asked(client, "join", (hooks, who) =>
    hooks.onJoin({ client: who, broker: command.broker, topics: [...topics] }),
  );
  const refusal = (topic: string): CarillonError | undefined =>
    byToken.has(topic) ? absenceOf(client.vhost, topic) : refusalOf(client, "join", topic);
  const onEntered = (): void => reply({ ok: true });
  await enter(client.session, { broker: command.broker, topics, refusal, onEntered }, services);
  if (changes !== undefined) await applyChanges(client, changes, services);
}
