import type { Session } from "../core/session.js";
import { CarillonError } from "../errors.js";
import type { JoinCommand, Reply } from "./command.js";
import type { Services } from "./services.js";
import { distinctTopics } from "./topics.js";

/**
 * Joins all of the topics or none (O4), and answers when the broker has confirmed the interest (O2).
 *
 * The round trip to the broker is made even where this node hears the topic already: it also brings in what was
 * published before the join was asked for, so that none of it is taken for something new (O3).
 */
export async function join(command: JoinCommand, session: Session, services: Services, reply: Reply): Promise<void> {
  const { brokers, hub, index, interest, limits } = services;
  const names = distinctTopics(command.topics);
  const broker = brokers.resolve(session.vhost, command.broker);
  if (!broker.driver.up)
    throw new CarillonError("unavailable", `broker ${JSON.stringify(broker.name)} is not connected`);

  const missing = [...names].filter((name) => {
    const topic = index.find(session.vhost, broker.name, name);
    return topic === undefined || !session.memberships.has(topic);
  });
  const total = session.memberships.size + missing.length;
  if (total > limits.topicsPerConnection) {
    const text = `the connection would be in ${total} topics, the limit is ${limits.topicsPerConnection}`;
    throw new CarillonError("resource_exhausted", text);
  }

  const fresh = missing.map((name) => index.findOrAdd(session.vhost, broker.name, name));
  for (const topic of fresh) interest.hold(topic, broker.driver);
  try {
    await broker.driver.settle();
    for (const { subscription } of fresh) if (subscription?.refusal !== undefined) throw subscription.refusal;
  } catch (error) {
    for (const topic of fresh) interest.release(topic);
    throw error;
  }
  if (!session.open) {
    for (const topic of fresh) interest.release(topic);
    return;
  }
  // In one turn: nothing can be delivered between the answer and the membership.
  reply({ ok: true });
  for (const topic of fresh) if (!hub.join(session, topic)) interest.release(topic);
}
