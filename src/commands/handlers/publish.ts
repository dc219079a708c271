import type { Client } from "../../clients/client.js";
import { CarillonError } from "../../errors.js";
import { checkMembership, checkRight, prepareRights } from "../checks.js";
import type { PublishCommand, Reply } from "../command.js";
import type { CommandContext } from "../command-context.js";
import { applyChanges, callHook } from "../hooks.js";
import { checkCall } from "./call.js";
import { startTrigger } from "./trigger.js";

/**
 * Publishes a message. Answers when the broker has confirmed it and a triggered task waits for a worker or has one. If the
 * task cannot start, the error says that the message was published.
 */
export async function publish(
  command: PublishCommand,
  client: Client,
  context: CommandContext,
  reply: Reply,
): Promise<void> {
  const { broker, event, payload, topics, trigger: triggered } = command;
  const { publisher } = context;
  if (client.rates?.publishedBytes?.take(payload.length * topics.length) === false) {
    throw new CarillonError("resource_exhausted", "this client exceeds its limit of published bytes per second");
  }
  const membersOnly = command.membersOnly === true || client.principal.terms?.mayPublishToJoined === true;
  if (membersOnly) for (const topic of topics) checkMembership(client, broker, topic, context);
  if (triggered !== "") await checkTrigger(command, client, context);
  const ahead = prepareRights(client, ["publish", "join"], topics);
  if (ahead !== undefined) await ahead;
  const source = {
    kind: "client",
    vhost: client.vhost.name,
    sender: client.session.id,
    refusal: (topic: string) => checkRight(client, "publish", topic),
  } as const;
  const drafts = [{ broker, topics, payload, event, id: scopedMessageId(command, client) }];
  if (client.vhost.hooks?.isEnabled("publish") === true) {
    // The rules are checked first, so that the backend is not called for a publish that they refuse.
    publisher.check(source, drafts);
    const changes = await callHook(client, "publish", (hooks, who) =>
      hooks.onPublish({ client: who, broker, topics: [...topics], payload, event }),
    );
    if (changes !== undefined) await applyChanges(client, changes, context);
  }
  const prepared = publisher.prepare(source, drafts);
  await publisher.send(prepared);
  client.published += 1;
  if (triggered !== "") await trigger(command, client, context);
  const [message] = prepared.messages;
  reply({ ok: true, result: message && { kind: "published", id: message.id, time: prepared.time } });
}

/**
 * Returns the id of the message; "" if the server chooses it. An id that a client chose begins with the client's user, so
 * that it never makes a message of another user or of a backend a duplicate. A colon in the user is escaped, so that the
 * first colon ends it.
 */
function scopedMessageId({ messageId = "" }: PublishCommand, { principal }: Client): string {
  if (messageId === "") return "";
  return `${(principal.user ?? "").replaceAll("%", "%25").replaceAll(":", "%3A")}:${messageId}`;
}

/** Checks the triggered task as far as possible before anything is published. */
async function checkTrigger({ topics, trigger: event }: PublishCommand, client: Client, { calls }: CommandContext) {
  await prepareRights(client, ["call"], [event]);
  checkCall(client, event, "trigger");
  calls.checkLimit(client.session);
  if (topics.length !== 1) {
    throw new CarillonError("invalid_argument", `topics: a trigger requires exactly one, got ${topics.length}`);
  }
}

async function trigger({ payload, topics, trigger: event }: PublishCommand, client: Client, context: CommandContext) {
  const [topic = ""] = topics;
  try {
    await startTrigger(client, { event, payload, topic }, context);
  } catch (error) {
    const { code, message } = CarillonError.from(error);
    throw new CarillonError(code, `published, but ${message}`);
  }
}
