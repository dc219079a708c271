import type { Client } from "../clients/client.js";
import { CarillonError } from "../errors.js";
import type { PublishCommand, Reply } from "./command.js";
import { applyChanges, asked } from "./hooks.js";
import { refusalOf } from "./rights.js";
import type { Services } from "./services.js";

/** Publishes as a client of the session's vhost, and answers when the broker has the message. */
export async function publish(
  command: PublishCommand,
  client: Client,
  services: Services,
  reply: Reply,
): Promise<void> {
  const { broker, event, payload, topics } = command;
  const { publisher } = services;
  if (client.rates?.publishedBytes?.take(payload.length * topics.length) === false) {
    throw new CarillonError("resource_exhausted", "this client publishes more bytes a second than it may");
  }
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
  reply({ ok: true });
}
