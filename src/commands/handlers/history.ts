import type { Client } from "../../clients/client.js";
import { CarillonError, invalidArgument } from "../../errors.js";
import { checkRight, parseTopics, prepareRights, throwIfRefused } from "../checks.js";
import type { HistoryCommand, Reply } from "../command.js";
import type { CommandContext } from "../command-context.js";

/** Answers with a page of a topic's stored messages. */
export async function history(
  command: HistoryCommand,
  client: Client,
  context: CommandContext,
  reply: Reply,
): Promise<void> {
  const topics = parseTopics(command.topics);
  const [topic] = topics;
  if (topic === undefined || topics.size > 1) {
    throw invalidArgument(`topics: expected exactly one, got ${topics.size}`);
  }
  const { driver } = context.brokers.resolve(client.vhost.name, command.broker);
  await prepareRights(client, ["history", "join"], topics);
  const { history: stored } = client.vhost.rulesFor(topic);
  if (stored === undefined) {
    // A client that may not join the topic does not learn that it has no history.
    if (checkRight(client, "join", topic) !== undefined) throwIfRefused(checkRight(client, "history", topic));
    throw new CarillonError("failed_precondition", `topic ${JSON.stringify(topic)} has no history`);
  }
  throwIfRefused(checkRight(client, "history", topic));
  const page = await driver.history.read({ vhost: client.vhost.name, topic, history: stored }, command.query);
  reply({ ok: true, result: { kind: "history", topic, page } });
}
