import type { MessageInitShape } from "@bufbuild/protobuf";
import type { MemberSchema, WatchPresenceResponseSchema } from "../../../gen/carillon/v1/presence_pb.js";
import { type NodePage, nodePage } from "../../control/pagination.js";
import type { Member, PresenceChange } from "../../presence/presence.js";
import { infoFields, toTimestamp } from "../values.js";

/** What carillon.v1.PresenceService answers. */

/** Most members of one answer. What is known of them may make them fewer: gRPC's clients take 4 MiB unless told otherwise. */
export const MAX_MEMBERS = 1_000;

type WatchPresenceInit = MessageInitShape<typeof WatchPresenceResponseSchema>;

export function toMemberMessage({ connectionId, info, joined, user }: Member): MessageInitShape<typeof MemberSchema> {
  return { connectionId, user, ...infoFields(info), joined: toTimestamp(joined) };
}

export function memberPageId({ connectionId }: Member): string {
  return connectionId;
}

/** @param members - in the order of connections */
export function membersAfter(members: readonly Member[], after: string, size: number): NodePage<Member> {
  const begin = positionAfter(members, after);
  return nodePage(members.slice(begin, begin + size + 1), memberPageId, { after, size });
}

/** The members that are there when a watch begins; the last of these answers says that they were all. */
export function* presentMembers(members: readonly Member[]): Generator<WatchPresenceInit> {
  const count = BigInt(members.length);
  let after = "";
  for (;;) {
    const { items, more } = membersAfter(members, after, MAX_MEMBERS);
    yield { joined: items.map(toMemberMessage), count, caughtUp: !more };
    if (!more) return;
    after = items.at(-1)?.connectionId ?? "";
  }
}

/** A change, in answers of bounded size: first who left, because who came back as somebody else is in both. */
export function* toChangesMessage({ count, joined, left }: PresenceChange): Generator<WatchPresenceInit> {
  const same = { count: BigInt(count), caughtUp: true };
  const gone = left.map(memberPageId);
  if (joined.length + gone.length <= MAX_MEMBERS) {
    yield* joinedIn(joined, gone, same);
    return;
  }
  for (let begin = 0; begin < gone.length; begin += MAX_MEMBERS) {
    yield { left: gone.slice(begin, begin + MAX_MEMBERS), ...same };
  }
  if (joined.length > 0) yield* joinedIn(joined, [], same);
}

function* joinedIn(joined: readonly Member[], left: string[], same: WatchPresenceInit): Generator<WatchPresenceInit> {
  const ordered = joined.toSorted((a, b) => (a.connectionId < b.connectionId ? -1 : 1));
  let gone = left;
  let after = "";
  for (;;) {
    const { items, more } = membersAfter(ordered, after, MAX_MEMBERS);
    yield { joined: items.map(toMemberMessage), left: gone, ...same };
    if (!more) return;
    gone = [];
    after = items.at(-1)?.connectionId ?? "";
  }
}

function positionAfter(members: readonly Member[], after: string): number {
  let [low, high] = [0, members.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((members[middle]?.connectionId ?? "") <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
