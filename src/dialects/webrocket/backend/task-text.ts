import { toSessionUuid } from "../../../core/session-uuid.js";
import { membersText } from "../../../util/raw-json.js";
import type { GivenTask } from "../../../workers/dispatch.js";
import { payloadValue } from "../../json.js";

/**
 * A task as a worker is told of it, on one line: `{"event":{…data,"sid":…}}`. A payload that is no JSON object is the member
 * `data`, as in what clients are sent; `sid` is left out where a backend asks.
 */
export function taskText({
  connectionId,
  event,
  payload,
}: Pick<GivenTask, "connectionId" | "event" | "payload">): string {
  const { base64, text } = payloadValue(payload);
  const sid = connectionId === "" ? [] : [`"sid":${JSON.stringify(toSessionUuid(connectionId))}`];
  const data = text.trimStart().startsWith("{")
    ? membersText(text, connectionId === "" ? [] : ["sid"])
    : `"data":${text}${base64 ? ',"encoding":"base64"' : ""}`;
  // In JSON text a line end can stand between values only, where it is worth no more than a space.
  const members = [data.replace(/[\r\n]+/g, " "), ...sid].filter((part) => part !== "");
  return `{${JSON.stringify(event)}:{${members.join(",")}}}`;
}
