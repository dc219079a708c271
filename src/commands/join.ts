import type { Client } from "../clients/client.js";
import type { JoinCommand, Reply } from "./command.js";
import { enter } from "./enter.js";
import { applyChanges, asked } from "./hooks.js";
import { refusalOf } from "./rights.js";
import type { Services } from "./services.js";
import { distinctTopics } from "./topics.js";

/** Joins all of the topics or none (O4): what the rules, the permissions and the backend say comes first. */
export async function join(command: JoinCommand, client: Client, services: Services, reply: Reply): Promise<void> {
  const topics = distinctTopics(command.topics);
  services.brokers.resolve(client.vhost.name, command.broker);
  for (const topic of topics) {
    const refusal = refusalOf(client, "join", topic);
    if (refusal === undefined) continue;
    // A channel token opens what permissions do not, and nothing that does not exist.
    if (command.auth === undefined || refusal.code !== "permission_denied") throw refusal;
    await client.vhost.authenticator.checkChannelToken(command.auth, topic);
  }
  const changes = await asked(client, "join", (hooks, who) =>
    hooks.onJoin({ client: who, broker: command.broker, topics: [...topics] }),
  );
  const onEntered = (): void => reply({ ok: true });
  await enter(client.session, { broker: command.broker, topics, onEntered }, services);
  if (changes !== undefined) await applyChanges(client, changes, services);
}
