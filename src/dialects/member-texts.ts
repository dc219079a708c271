import type { Present } from "../core/notice.js";
import { LruMap } from "../util/lru-map.js";

/** Longest text that is kept, in characters. */
const LONGEST_KEPT = 256 * 1_024;

/** Lists of members as they are written, until somebody comes or goes: 16 Mi characters at most. */
const texts = new LruMap<readonly Present[], string>(64);

/** As {@link presentText}, written once for a list that is asked for again and again. */
export function sharedPresentText(members: readonly Present[]): string {
  let text = texts.get(members);
  if (text === undefined) {
    text = presentText(members);
    if (text.length <= LONGEST_KEPT) texts.set(members, text);
  }
  return text;
}

/** Members as JSON, without brackets around them. The info has the digits that its author gave it. */
export function presentText(members: readonly Present[]): string {
  return members
    .map(({ connectionId, info, user }) => {
      return `{"connection":${JSON.stringify(connectionId)},"user":${JSON.stringify(user)},"info":${info}}`;
    })
    .join(",");
}
