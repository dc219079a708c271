import type { Client } from "../clients/client.js";
import { CarillonError } from "../errors.js";
import { withResolvers } from "../util/with-resolvers.js";
import { checkCall, taskOf } from "./call.js";
import type { PublishCommand, Reply } from "./command.js";
import { applyChanges, asked } from "./hooks.js";
import { refusalOf } from "./rights.js";
import type { Services } from "./services.js";

/**
 * Publishes as a client of the session's vhost, and answers when the broker has the message. Where a task is triggered by it,
 * when that waits for a worker, or has one, too: if it comes to that not, the message was published all the same.
 */
export async function publish(
  command: PublishCommand,
  client: Client,
  services: Services,
  reply: Reply,
): Promise<void> {
  const { broker, event, payload, topics, trigger: triggered } = command;
  const { publisher } = services;
  if (client.rates?.publishedBytes?.take(payload.length * topics.length) === false) {
    throw new CarillonError("resource_exhausted", "this client publishes more bytes a second than it may");
  }
  if (triggered !== "") checkTrigger(command, client, services);
  const source = {
    kind: "client",
    vhost: client.vhost.name,
    refusal: (topic: string) => refusalOf(client, "publish", topic),
  } as const;
  const drafts = [{ broker, topics, payload, event, id: "" }];
  if (client.vhost.hooks?.asks("publish") === true) {
    // The rules first: the backend is not asked about what is refused anyhow.
    publisher.check(source, drafts);
    const changes = await asked(client, "publish", (hooks, who) =>
      hooks.onPublish({ client: who, broker, topics: [...topics], payload, event }),
    );
    if (changes !== undefined) await applyChanges(client, changes, services);
  }
  await publisher.publish(source, drafts);
  if (triggered !== "") await trigger(command, client, services);
  reply({ ok: true });
}

/** Everything that can refuse the task and is known before anything is published. */
function checkTrigger({ topics, trigger: event }: PublishCommand, client: Client, { calls }: Services): void {
  checkCall(client, event, "trigger");
  calls.checkRoom(client.session);
  if (topics.length !== 1) {
    throw new CarillonError("invalid_argument", `topics: ${topics.length} of them, a trigger needs exactly one`);
  }
}

/** Resolves when the task waits for a worker, or has one. What becomes of it nobody waits for: the log is told. */
function trigger({ payload, topics, trigger: event }: PublishCommand, client: Client, services: Services) {
  const { promise, reject, resolve } = withResolvers<void>();
  const [topic = ""] = topics;
  let taken = false;
  const refuse = ({ code, message }: CarillonError): void =>
    reject(new CarillonError(code, `published, but ${message}`));
  const asker = {
    onTaken: () => {
      taken = true;
      resolve();
    },
    onPart: () => {
      resolve();
    },
    onFailed: (error: CarillonError) => {
      if (taken) services.onUndone(client.vhost.name, event, error);
      else refuse(error);
    },
  };
  try {
    services.calls.ask(client.session, taskOf(client, services, { event, payload, topic, wantsAnswer: false }), asker);
  } catch (error) {
    // Calls may have begun since there was room.
    refuse(CarillonError.from(error));
  }
  return promise;
}
