import type { Session } from "../core/session.js";
import type { LeaveCommand, Reply } from "./command.js";
import type { Services } from "./services.js";
import { distinctTopics } from "./topics.js";

/** Leaves all of the topics. Leaving what was not joined is no fault. Works while the broker is away, too. */
export function leave(command: LeaveCommand, session: Session, services: Services, reply: Reply): void {
  const { brokers, hub, index } = services;
  const names = distinctTopics(command.topics);
  const broker = brokers.resolve(session.vhost, command.broker);
  for (const name of names) {
    const topic = index.find(session.vhost, broker.name, name);
    if (topic !== undefined) hub.leave(session, topic);
  }
  reply({ ok: true });
}
