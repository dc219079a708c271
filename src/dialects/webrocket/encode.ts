import type { JoinCommand, Outcome } from "../../commands/command.js";
import type { Message } from "../../core/message.js";
import type { Notice, PresenceUpdate, Present } from "../../core/notice.js";
import { toSessionUuid } from "../../core/session-uuid.js";
import { mapConnectionTopic } from "../../core/user-topic.js";
import { removeMembers } from "../../util/raw-json.js";
import type { MessageEncoding, Texts } from "../dialect.js";
import { payloadValue } from "../json.js";
import { isPresenceChannel, isPrivate } from "./channel.js";

/**
 * Encodes messages as `{"event":{…data,"sid":…,"channel":…}}`. Carillon's members replace members of the data with the same
 * names.
 */
export const webrocketEncoding: MessageEncoding = {
  topicText: (topic) => `"channel":${JSON.stringify(mapConnectionTopic(topic, toSessionUuid))}`,
  text(message, channel) {
    const { sender } = message;
    const said = sender === "" ? channel : `"sid":${JSON.stringify(toSessionUuid(sender))},${channel}`;
    const data = dataText(message, sender === "" ? ["channel"] : ["sid", "channel"]);
    return `{${JSON.stringify(eventOf(message))}:{${joined(data, said)}}}`;
  },
  laggedText: () => undefined,
  presenceText,
};

export function connectedText(sid: string): string {
  return `{":connected":{"sid":${JSON.stringify(sid)}}}`;
}

export function closedText(sid: string): string {
  return `{":closed":{"sid":${JSON.stringify(sid)}}}`;
}

/**
 * Encodes the answer to a join. In a channel with presence, it lists the members, and the client also receives its own
 * `:memberJoined`, like the other members.
 */
export function subscribedTexts(command: JoinCommand, uid: string, outcome: Outcome & { readonly ok: true }): Texts {
  const [channel = ""] = command.topics;
  const { result } = outcome;
  if (!isPresenceChannel(channel)) return subscribedText(channel, uid);
  const answer = subscribedText(
    channel,
    uid,
    result?.kind === "otherMembers" ? subscribersText(result) : ',"subscribers":[]',
  );
  if (command.hidden === true) return answer;
  return [answer, memberText(":memberJoined", channel, { user: uid, info: command.info ?? "{}" })];
}

/** Largest list of members in an answer, in bytes of JSON. */
const MAX_SUBSCRIBERS = 256 << 10;

interface EncodedMember {
  readonly text: string;
  readonly bytes: number;
}

/** Cached JSON texts of members. */
const subscriberTexts = new WeakMap<Present, EncodedMember>();

/** Encodes as many members as fit. The member `more` is true if some are missing. */
function subscribersText({ members, more }: { readonly members: readonly Present[]; readonly more: boolean }): string {
  const texts: string[] = [];
  let bytes = 0;
  for (const member of members) {
    const made = toSubscriber(member);
    bytes += made.bytes + 1;
    if (bytes > MAX_SUBSCRIBERS) break;
    texts.push(made.text);
  }
  const rest = more || texts.length < members.length ? ',"more":true' : "";
  return `,"subscribers":[${texts.join(",")}]${rest}`;
}

function toSubscriber(member: Present): EncodedMember {
  let made = subscriberTexts.get(member);
  if (made === undefined) {
    const text = `{${joined(`"uid":${JSON.stringify(member.user)}`, infoText(member.info, ["uid"]))}}`;
    made = { text, bytes: Buffer.byteLength(text) };
    subscriberTexts.set(member, made);
  }
  return made;
}

export function unsubscribedText(channel: string): string {
  return `{":unsubscribed":{"channel":${JSON.stringify(channel)}}}`;
}

/** Encodes a notice in the format of the answer to the same request from a client. */
export function webrocketNoticeText({ kind, topics }: Notice, uid: string): Texts {
  if (kind === "unwatched") return undefined;
  return topics.map((channel) => (kind === "joined" ? subscribedText(channel, uid) : unsubscribedText(channel)));
}

function subscribedText(channel: string, uid: string, more = ""): string {
  const known = isPrivate(channel) ? `,"uid":${JSON.stringify(uid)}` : "";
  return `{":subscribed":{"channel":${JSON.stringify(channel)}${known}${more}}}`;
}

/**
 * Encodes one event for each member that has joined or left. Leaves come first, because a member may have returned as another
 * user.
 */
function presenceText({ joined: come, left, topic }: PresenceUpdate): readonly string[] {
  return [
    ...left.map((member) => memberText(":memberLeft", topic, member)),
    ...come.map((member) => memberText(":memberJoined", topic, member)),
  ];
}

function memberText(event: string, channel: string, { info, user }: Pick<Present, "info" | "user">): string {
  const said = `"uid":${JSON.stringify(user)},"channel":${JSON.stringify(channel)}`;
  return `{"${event}":{${joined(said, infoText(info, ["uid", "channel"]))}}}`;
}

/** Returns the info of a member without the names that Carillon uses itself. */
function infoText(info: string, without: readonly string[]): string {
  return removeMembers(info, without);
}

/** Returns the members of a JSON object. Any other payload becomes the member `data`. */
function dataText({ payload }: Message, without: readonly string[]): string {
  const { base64, text } = payloadValue(payload);
  if (text.trimStart().startsWith("{")) return removeMembers(text, without);
  return base64 ? `"data":${text},"encoding":"base64"` : `"data":${text}`;
}

/** Returns the event name of a message. The protocol requires a name, and reserves names that begin with a colon. */
function eventOf({ event }: Message): string {
  return event === "" || event.startsWith(":") ? "message" : event;
}

function joined(members: string, more: string): string {
  return members === "" || more === "" ? members + more : `${members},${more}`;
}
