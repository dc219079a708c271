import { NO_INFO } from "../../access/decide/info.js";
import type { Client } from "../../clients/client.js";
import { CarillonError } from "../../errors.js";
import type { LeaveCommand, Reply } from "../command.js";
import { membershipIn } from "../membership.js";
import { absenceOf } from "../rights.js";
import type { Services } from "../services.js";
import { distinctTopics } from "../topics.js";

/**
 * Leaves all of the topics. Leaving what was not joined is no fault, unless the command says that it is. Works while the broker
 * is away, too.
 */
export function leave(command: LeaveCommand, client: Client, services: Services, reply: Reply): void {
  const { broker, farewell, strict } = command;
  const topics = distinctTopics(command.topics);
  if (strict === true) for (const topic of topics) checkIn(client, broker, topic, services);
  for (const name of farewell === undefined ? [] : topics) {
    const topic = membershipIn(client, broker, name, services);
    if (topic !== undefined) services.attendance.farewell(client.session, topic, farewell ?? NO_INFO);
  }
  leaveTopic(client, broker, topics, services);
  reply({ ok: true });
}

/** @throws CarillonError not_found: nobody can be in the topic. failed_precondition: the client is not */
export function checkIn(client: Client, broker: string, topic: string, services: Services): void {
  const absence = absenceOf(client, topic);
  if (absence !== undefined) throw absence;
  if (membershipIn(client, broker, topic, services) !== undefined) return;
  throw new CarillonError("failed_precondition", `the connection is not in topic ${JSON.stringify(topic)}`);
}

/**
 * Takes a client out of topics.
 * @returns those that it was in
 * @throws CarillonError not_found: no such broker
 */
export function leaveTopic(client: Client, broker: string, topics: Iterable<string>, services: Services): string[] {
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
