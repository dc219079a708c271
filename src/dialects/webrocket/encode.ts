import type { JoinCommand, Outcome } from "../../commands/command.js";
import type { Message } from "../../core/message.js";
import type { Notice, PresenceNews, Present } from "../../core/notice.js";
import { toSessionUuid } from "../../core/session-uuid.js";
import { mapConnectionTopic } from "../../core/user-topic.js";
import { membersText } from "../../util/raw-json.js";
import type { MessageEncoding, Texts } from "../dialect.js";
import { payloadValue } from "../json.js";
import { hasMembers, isPrivate } from "./channel.js";

/** `{"event":{…data,"sid":…,"channel":…}}`. What the data says of either is left out where Carillon says it. */
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

/** What a client is told that has joined: of a channel with members, who was there, and of its own coming, as the others are. */
export function subscribedTexts(command: JoinCommand, uid: string, outcome: Outcome & { readonly ok: true }): Texts {
  const [channel = ""] = command.topics;
  const { result } = outcome;
  if (!hasMembers(channel)) return subscribedText(channel, uid);
  const answer = subscribedText(channel, uid, result?.kind === "among" ? subscribersText(result) : ',"subscribers":[]');
  if (command.hidden === true) return answer;
  return [answer, memberText(":memberJoined", channel, { user: uid, info: command.info ?? "{}" })];
}

/** Most bytes of those who were there, as JSON. */
const MOST_SUBSCRIBERS = 256 << 10;

interface Told {
  readonly text: string;
  readonly bytes: number;
}

/** What is told of members to each who joins, for as long as they are there. */
const subscriberTexts = new WeakMap<Present, Told>();

/** As many as there is room for. What there are beside is told by the member `more`. */
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

/** What was done on the client's behalf reads as the answer to what it did not ask for. */
export function webrocketNoticeText({ kind, topics }: Notice, uid: string): Texts {
  if (kind === "unwatched") return undefined;
  return topics.map((channel) => (kind === "joined" ? subscribedText(channel, uid) : unsubscribedText(channel)));
}

function subscribedText(channel: string, uid: string, more = ""): string {
  const known = isPrivate(channel) ? `,"uid":${JSON.stringify(uid)}` : "";
  return `{":subscribed":{"channel":${JSON.stringify(channel)}${known}${more}}}`;
}

/** One for each who has come or gone; who has come back as somebody else has gone before. */
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

/** What is known of a member, but for what Carillon says itself. */
function told(info: string, without: readonly string[]): string {
  return membersText(info, without);
}

/** A payload that is no JSON object is the member `data` of one. */
function dataText({ payload }: Message, without: readonly string[]): string {
  const { base64, text } = payloadValue(payload);
  if (text.trimStart().startsWith("{")) return membersText(text, without);
  return base64 ? `"data":${text},"encoding":"base64"` : `"data":${text}`;
}

/** The protocol has no words for a message without an event, and keeps those with a colon for itself. */
function eventOf({ event }: Message): string {
  return event === "" || event.startsWith(":") ? "message" : event;
}

function joined(members: string, more: string): string {
  return members === "" || more === "" ? members + more : `${members},${more}`;
}
