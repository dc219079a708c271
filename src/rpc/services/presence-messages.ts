import type { MessageInitShape } from "@bufbuild/protobuf";
import type { MemberSchema, WatchPresenceResponseSchema } from "../../../gen/carillon/v1/presence_pb.js";
import { type NodePage, toNodePage } from "../../control/pagination.js";
import type { Member, PresenceChange } from "../../presence/presence.js";
import { infoFields, toTimestamp } from "../values.js";

/** Messages of carillon.v1.PresenceService. */

/** Maximum number of members in one answer. Large infos may reduce it, because gRPC clients accept 4 MiB by default. */
export const MAX_MEMBERS = 1_000;

type WatchPresenceInit = MessageInitShape<typeof WatchPresenceResponseSchema>;

export function toMemberMessage({ connectionId, info, joined, user }: Member): MessageInitShape<typeof MemberSchema> {
  return { connectionId, user, ...infoFields(info), joined: toTimestamp(joined) };
}

export function memberPageId({ connectionId }: Member): string {
  return connectionId;
}

/** Returns the page of members after a connection. @param members - ordered by connection */
export function pageMembers(members: readonly Member[], after: string, size: number): NodePage<Member> {
  const begin = findPositionAfter(members, after);
  return toNodePage(members.slice(begin, begin + size + 1), memberPageId, { after, size });
}

/** Yields the members present when a watch begins. The last answer says that the list is complete. */
export function* toPresentMessages(members: readonly Member[]): Generator<WatchPresenceInit> {
  const count = BigInt(members.length);
  let after = "";
  for (;;) {
    const { items, more } = pageMembers(members, after, MAX_MEMBERS);
    yield { joined: items.map(toMemberMessage), count, caughtUp: !more };
    if (!more) return;
    after = items.at(-1)?.connectionId ?? "";
  }
}

/** Yields a change in answers of bounded size. Members that left come first, because a connection that rejoined as another user is in both lists. */
export function* toChangeMessages({ count, joined, left }: PresenceChange): Generator<WatchPresenceInit> {
  const same = { count: BigInt(count), caughtUp: true };
  const leftIds = left.map(memberPageId);
  if (joined.length + leftIds.length <= MAX_MEMBERS) {
    yield* pageJoined(joined, leftIds, same);
    return;
  }
  for (let begin = 0; begin < leftIds.length; begin += MAX_MEMBERS) {
    yield { left: leftIds.slice(begin, begin + MAX_MEMBERS), ...same };
  }
  if (joined.length > 0) yield* pageJoined(joined, [], same);
}

function* pageJoined(joined: readonly Member[], left: string[], same: WatchPresenceInit): Generator<WatchPresenceInit> {
  const ordered = joined.toSorted((a, b) => (a.connectionId < b.connectionId ? -1 : 1));
  let leftIds = left;
  let after = "";
  for (;;) {
    const { items, more } = pageMembers(ordered, after, MAX_MEMBERS);
    yield { joined: items.map(toMemberMessage), left: leftIds, ...same };
    if (!more) return;
    leftIds = [];
    after = items.at(-1)?.connectionId ?? "";
  }
}

function findPositionAfter(members: readonly Member[], after: string): number {
  let [low, high] = [0, members.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((members[middle]?.connectionId ?? "") <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
