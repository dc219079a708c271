import type { Session } from "../core/session.js";
import type { Topic } from "../core/topic.js";
import { CarillonError } from "../errors.js";
import type { Services } from "./services.js";

/** Topics to be in, whoever wishes it. */
export interface Entry {
  /** "" for the vhost's default. */
  readonly broker: string;
  readonly topics: ReadonlySet<string>;
  /**
   * Why the client may not be in the topic; asked when the broker has confirmed. Rules may have changed and channels have
   * been closed meanwhile: whoever was in them has left, and nobody may come after.
   */
  readonly refusal: (topic: string) => CarillonError | undefined;
  /** Called when the broker has confirmed, in the turn in which the memberships begin, before anything is delivered. */
  readonly onEntered: () => void;
}

/**
 * Puts a session into all of the topics or none (O4), when the broker has confirmed the interest (O2).
 *
 * The round trip to the broker is made even where this node hears the topic already: it also brings in what was
 * published before the join was asked for, so that none of it is taken for something new (O3).
 *
 * A session that ends meanwhile is in none of them, and `onEntered` not called.
 * @throws CarillonError not_found, unavailable, resource_exhausted, permission_denied (the broker's refusal), or why the
 *   client may not be in a topic
 */
export async function enter(session: Session, entry: Entry, services: Services) {
  const { broker: name, onEntered, refusal, topics } = entry;
  const { brokers, hub, index, interest } = services;
  const broker = brokers.resolve(session.vhost, name);
  if (!broker.driver.up)
    throw new CarillonError("unavailable", `broker ${JSON.stringify(broker.name)} is not connected`);
  const missing = [...topics].filter((topic) => {
    const known = index.find(session.vhost, broker.name, topic);
    return known === undefined || !session.memberships.has(known);
  });
  const limit = services.topicsPerConnection(session.vhost);
  const total = session.memberships.size + missing.length;
  if (total > limit) {
    const text = `the connection would be in ${total} topics, the limit is ${limit}`;
    throw new CarillonError("resource_exhausted", text);
  }

  const fresh = missing.map((topic) => index.findOrAdd(session.vhost, broker.name, topic));
  for (const topic of fresh) interest.hold(topic, broker.driver);
  try {
    await broker.driver.settle();
    for (const topic of topics) checkRight(refusal(topic));
    for (const topic of fresh) checkPlace(topic);
  } catch (error) {
    for (const topic of fresh) interest.release(topic);
    throw error;
  }
  if (!session.open) {
    for (const topic of fresh) interest.release(topic);
    return;
  }
  // In one turn: nothing can be delivered between the answer and the membership.
  onEntered();
  for (const topic of fresh) if (!hub.join(session, topic)) interest.release(topic);
}

function checkRight(refusal: CarillonError | undefined): void {
  if (refusal !== undefined) throw refusal;
}

function checkPlace(topic: Topic): void {
  if (topic.subscription?.refusal !== undefined) throw topic.subscription.refusal;
  const { maxSessions } = topic.rules;
  if (maxSessions !== Number.POSITIVE_INFINITY && topic.sessions >= maxSessions) {
    const text = `topic ${JSON.stringify(topic.name)} has ${maxSessions} sessions on this node, which is its limit`;
    throw new CarillonError("resource_exhausted", text);
  }
}
