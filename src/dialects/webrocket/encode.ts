import type { JoinCommand, Outcome } from "../../commands/command.js";
import type { Message } from "../../core/message.js";
import type { Notice, PresenceNews, Present } from "../../core/notice.js";
import { toSessionUuid } from "../../core/session-uuid.js";
import { mapConnectionTopic } from "../../core/user-topic.js";
import { removeMembers } from "../../util/raw-json.js";
import type { MessageEncoding, Texts } from "../dialect.js";
import { payloadValue } from "../json.js";
import { hasMembers, isPrivate } from "./channel.js";

/** Writes `{"event":{…data,"sid":…,"channel":…}}`. Members of the data with these names give way to Carillon's own. */
export const webrocketEncoding: MessageEncoding = {
  textMaker(topic) {
    const channel = `"channel":${JSON.stringify(mapConnectionTopic(topic, toSessionUuid))}`;
    return (message) => {
      const { sender } = message;
      const said = sender === "" ? channel : `"sid":${JSON.stringify(toSessionUuid(sender))},${channel}`;
      const data = dataText(message, sender === "" ? ["channel"] : ["sid", "channel"]);
      return `{${JSON.stringify(eventOf(message))}:{${joined(data, said)}}}`;
    };
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

/** Answer to a join. In a channel with members it lists those present, and announces the client itself as to the others. */
export function subscribedTexts(command: JoinCommand, uid: string, outcome: Outcome & { readonly ok: true }): Texts {
  const [channel = ""] = command.topics;
  const { result } = outcome;
  if (!hasMembers(channel)) return subscribedText(channel, uid);
  const answer = subscribedText(channel, uid, result?.kind === "among" ? subscribersText(result) : ',"subscribers":[]');
  if (command.hidden === true) return answer;
  return [answer, memberText(":memberJoined", channel, { user: uid, info: command.info ?? "{}" })];
}

/** Largest list of members in an answer, in bytes of JSON. */
const MOST_SUBSCRIBERS = 256 << 10;

interface Told {
  readonly text: string;
  readonly bytes: number;
}

/** Cached JSON texts of members. */
const subscriberTexts = new WeakMap<Present, Told>();

/** Members as JSON, as many as fit; `more` counts the others. */
function subscribersText({ members, more }: { readonly members: readonly Present[]; readonly more: boolean }): string {
  const texts: string[] = [];
  let bytes = 0;
  for (const member of members) {
    const made = toSubscriber(member);
    bytes += made.bytes + 1;
    if (bytes > MOST_SUBSCRIBERS) break;
    texts.push(made.text);
  }
  const rest = more || texts.length < members.length ? ',"more":true' : "";
  return `,"subscribers":[${texts.join(",")}]${rest}`;
}

function toSubscriber(member: Present): Told {
  let made = subscriberTexts.get(member);
  if (made === undefined) {
    const text = `{${joined(`"uid":${JSON.stringify(member.user)}`, told(member.info, ["uid"]))}}`;
    made = { text, bytes: Buffer.byteLength(text) };
    subscriberTexts.set(member, made);
  }
  return made;
}

export function unsubscribedText(channel: string): string {
  return `{":unsubscribed":{"channel":${JSON.stringify(channel)}}}`;
}

/** A notice has the format of the answer to the request that was carried out on the client's behalf. */
export function webrocketNoticeText({ kind, topics }: Notice, uid: string): Texts {
  if (kind === "unwatched") return undefined;
  return topics.map((channel) => (kind === "joined" ? subscribedText(channel, uid) : unsubscribedText(channel)));
}

function subscribedText(channel: string, uid: string, more = ""): string {
  const known = isPrivate(channel) ? `,"uid":${JSON.stringify(uid)}` : "";
  return `{":subscribed":{"channel":${JSON.stringify(channel)}${known}${more}}}`;
}

/** Writes one event for each member that has come or left. A member that has returned as another user has left first. */
function presenceText({ joined: come, left, topic }: PresenceNews): readonly string[] {
  return [
    ...left.map((member) => memberText(":memberLeft", topic, member)),
    ...come.map((member) => memberText(":memberJoined", topic, member)),
  ];
}

function memberText(event: string, channel: string, { info, user }: Pick<Present, "info" | "user">): string {
  const said = `"uid":${JSON.stringify(user)},"channel":${JSON.stringify(channel)}`;
  return `{"${event}":{${joined(said, told(info, ["uid", "channel"]))}}}`;
}

/** Info of a member without the names that Carillon uses itself. */
function told(info: string, without: readonly string[]): string {
  return removeMembers(info, without);
}

/** Members of a JSON object; any other payload becomes the member `data`. */
function dataText({ payload }: Message, without: readonly string[]): string {
  const { base64, text } = payloadValue(payload);
  if (text.trimStart().startsWith("{")) return removeMembers(text, without);
  return base64 ? `"data":${text},"encoding":"base64"` : `"data":${text}`;
}

/** Event name of a message. The protocol needs one, and reserves those that begin with a colon. */
function eventOf({ event }: Message): string {
  return event === "" || event.startsWith(":") ? "message" : event;
}

function joined(members: string, more: string): string {
  return members === "" || more === "" ? members + more : `${members},${more}`;
}
