import type { Session } from "../core/session.js";
import type { PublishCommand, Reply } from "./command.js";
import type { Services } from "./services.js";

/** Publishes as a client of the session's vhost, and answers when the broker has the message. */
export async function publish(
  command: PublishCommand,
  session: Session,
  { publisher }: Services,
  reply: Reply,
): Promise<void> {
  const { broker, event, payload, topics } = command;
  await publisher.publish({ kind: "client", vhost: session.vhost }, [{ broker, topics, payload, event, id: "" }]);
  reply({ ok: true });
}
