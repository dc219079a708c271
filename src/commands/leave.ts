import type { Client } from "../clients/client.js";
import type { LeaveCommand, Reply } from "./command.js";
import type { Services } from "./services.js";
import { distinctTopics } from "./topics.js";

/** Leaves all of the topics. Leaving what was not joined is no fault. Works while the broker is away, too. */
export function leave(command: LeaveCommand, client: Client, services: Services, reply: Reply): void {
  const topics = distinctTopics(command.topics);
  exit(client, command.broker, topics, services);
  reply({ ok: true });
}

/**
 * Takes a client out of topics.
 * @returns those that it was in
 * @throws CarillonError not_found: no such broker
 */
export function exit(client: Client, broker: string, topics: Iterable<string>, services: Services): string[] {
  const { brokers, hub, index } = services;
  const { session } = client;
  const { name } = brokers.resolve(session.vhost, broker);
  const left: string[] = [];
  for (const topicName of topics) {
    const topic = index.find(session.vhost, name, topicName);
    if (topic === undefined || !session.memberships.has(topic)) continue;
    hub.leave(session, topic);
    left.push(topicName);
  }
  return left;
}
