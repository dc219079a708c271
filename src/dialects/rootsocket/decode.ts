import type { Command, Outcome } from "../../commands/command.js";
import { isObject } from "../../util/json.js";
import type { Received, Texts } from "../dialect.js";
import { explainNoJson, type Fields, hasLoneSurrogate, parseJson } from "../json.js";
import { channelProblem } from "./channel-name.js";
import { cannotSendText, cannotSubscribeText, invalidText, PONG } from "./encode.js";

/** Largest event, in bytes. A larger one is refused. Source: rootsocket's sheet. */
export const EVENT_BYTES = 1_048_576;

/** Creates the answer to a refused event. */
type Refuse = (why: string) => string;

/** Handlers of the protocol's own events; all other events are messages. */
const EVENTS: ReadonlyMap<string, (data: Fields) => Received> = new Map<string, (data: Fields) => Received>([
  ["ping", () => accepted({ kind: "idle" }, invalidText, PONG)],
  ["pong", () => accepted({ kind: "idle" }, invalidText)],
  ["subscription-add", add],
  ["subscription-remove", remove],
  ["disconnect", () => accepted({ kind: "close" }, invalidText)],
]);

/** Reads one frame of a client. Any object with an event's name counts as an event, even if its data is invalid. */
export function decodeRootsocketFrame(text: string): Received {
  // Refuses large frames without parsing them. A UTF-16 unit takes at most three bytes, so most frames need no byte count.
  if (text.length > EVENT_BYTES / 3 && Buffer.byteLength(text) > EVENT_BYTES) {
    return refused(invalidText(`it is larger than ${EVENT_BYTES} bytes`));
  }
  const frame = parseJson(text);
  if (frame === undefined) return malformed(explainNoJson(text, "it is not JSON"));
  if (!isObject(frame)) return malformed("it is not a JSON object");
  const { data, event } = frame;
  if (typeof event !== "string") return malformed(`event ${event === undefined ? "is missing" : "is not a string"}`);
  if (event === "error") return malformed("only the server sends errors");
  const handle = EVENTS.get(event);
  if (handle === undefined) return message(event, data);
  // Clients represent absent data in several ways. The handlers report missing members.
  return handle(isObject(data) ? data : {});
}

function add({ auth, channel }: Fields): Received {
  const name = typeof channel === "string" ? channel : "";
  const refuse: Refuse = (why) => cannotSubscribeText(why, name);
  const problem = findProblem(channel);
  if (problem !== undefined) return refused(refuse(problem));
  if (auth !== undefined && auth !== null && typeof auth !== "string") return refused(refuse("auth is not a string"));
  return accepted(
    {
      kind: "join",
      broker: "",
      topics: [name],
      // Clients without a token send an empty one.
      auth: auth === null || auth === "" ? undefined : auth,
      group: undefined,
      hidden: undefined,
      presence: undefined,
    },
    refuse,
  );
}

function remove({ channel }: Fields): Received {
  const name = typeof channel === "string" ? channel : "";
  const refuse: Refuse = (why) => invalidText(why, name);
  const problem = findProblem(channel);
  if (problem !== undefined) return refused(refuse(problem));
  return accepted({ kind: "leave", broker: "", topics: [name] }, refuse);
}

function message(channel: string, data: unknown): Received {
  const refuse: Refuse = (why) => cannotSendText(why, channel);
  const problem = findProblem(channel);
  if (problem !== undefined) return refused(refuse(problem));
  const raw = isObject(data) ? data["raw"] : undefined;
  if (raw === undefined) return refused(refuse("data.raw is missing"));
  if (typeof raw !== "string") return refused(refuse("data.raw is not a string"));
  if (hasLoneSurrogate(raw)) return refused(refuse("data.raw is not valid Unicode"));
  return accepted(
    {
      kind: "publish",
      broker: "",
      topics: [channel],
      payload: Buffer.from(raw),
      event: "",
      trigger: "",
      membersOnly: true,
    },
    refuse,
  );
}

/** Returns the problem of a channel as a sentence; undefined for a valid channel. */
function findProblem(channel: unknown): string | undefined {
  if (channel === undefined || channel === null) return "channel is missing";
  if (typeof channel !== "string") return "channel is not a string";
  const problem = channelProblem(channel);
  return problem === undefined ? undefined : `the channel's name ${problem}`;
}

/** Accepts an event. @param done - answer on success; only a ping has one */
function accepted(command: Command, refuse: Refuse, done?: string): Received {
  const answer = (outcome: Outcome): Texts => (outcome.ok ? done : refuse(outcome.error.message));
  return { kind: "command", command, answer };
}

function refused(answer: string): Received {
  return { kind: "refused", answer };
}

function malformed(why: string): Received {
  return { kind: "malformed", answer: invalidText(why) };
}
