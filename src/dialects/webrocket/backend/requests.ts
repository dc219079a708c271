import { Permissions } from "../../../access/decide/permissions.js";
import { readUser } from "../../../access/jwt/claims.js";
import { EXPRESSION } from "../../../access/patterns/pattern.js";
import type { Publisher } from "../../../core/publishing/publisher.js";
import { CarillonError, type ErrorCode } from "../../../errors.js";
import { isObject } from "../../../util/json.js";
import { findJsonExcess } from "../../../util/json-size.js";
import type { Vhost } from "../../../vhosts/vhost.js";
import type { VhostAdmin } from "../../../vhosts/vhost-admin.js";
import { findHistoryAhead } from "../../find-history-ahead.js";
import { parseJson } from "../../json.js";
import { isWebrocketChannel } from "../channel.js";
import type { WebrocketCode } from "../errors.js";
import type { Packet } from "./packet.js";

/** Services that requests need. */
export interface RequestServices {
  readonly publisher: Publisher;
  readonly admin: Pick<VhostAdmin, "openChannel" | "closeChannel">;
  /** Receives the duration of each publish until its answer, in seconds. */
  readonly onPublished: (seconds: number) => void;
}

/** Command and frames of the answer, or an error code. */
export type RequestAnswer = readonly [command: string, ...frames: readonly string[]] | WebrocketCode;

type Handle = (frames: readonly string[], vhost: Vhost, services: RequestServices) => Promise<RequestAnswer>;

const OK: RequestAnswer = ["OK"];

/** Requests by command. `frames` is the smallest number of frames; further ones are ignored. */
const REQUESTS: ReadonlyMap<string, { readonly frames: number; readonly handle: Handle }> = new Map<
  string,
  { readonly frames: number; readonly handle: Handle }
>([
  ["BC", { frames: 3, handle: broadcast }],
  ["OC", { frames: 1, handle: openChannel }],
  ["CC", { frames: 1, handle: closeChannel }],
  ["AT", { frames: 2, handle: accessToken }],
]);

/**
 * Executes a client's request.
 * @throws CarillonError as the publisher, the store and the token issuer do
 */
export async function answerRequest(
  { command, frames }: Packet,
  vhost: Vhost,
  services: RequestServices,
): Promise<RequestAnswer> {
  const request = REQUESTS.get(command);
  if (request === undefined || frames.length < request.frames) return 400;
  return request.handle(frames, vhost, services);
}

async function broadcast(
  [channel = "", event = "", data = ""]: readonly string[],
  vhost: Vhost,
  { onPublished, publisher }: RequestServices,
): Promise<RequestAnswer> {
  // Names that begin with a colon are reserved for the server.
  if (channel === "" || event === "" || event.startsWith(":") || findJsonExcess(data) !== undefined) return 400;
  if (!vhost.channels.has(channel)) return 454;
  const payload = Buffer.from(isObject(parseJson(data)) ? data : "{}");
  const begin = performance.now();
  const drafts = [{ broker: "", topics: [channel], payload, event, id: "" }];
  const findHistory = await findHistoryAhead(publisher, vhost.name, drafts);
  const source = { kind: "backend", vhost: vhost.name, sender: "", findHistory, refusal: () => undefined } as const;
  await publisher.publish(source, drafts);
  onPublished((performance.now() - begin) / 1_000);
  return OK;
}

async function openChannel(
  [channel = ""]: readonly string[],
  { name }: Vhost,
  services: RequestServices,
): Promise<RequestAnswer> {
  if (channel === "") return 400;
  if (!isWebrocketChannel(channel)) return 451;
  await services.admin.openChannel(name, channel);
  return OK;
}

async function closeChannel(
  [channel = ""]: readonly string[],
  { channels, name }: Vhost,
  services: RequestServices,
): Promise<RequestAnswer> {
  if (channel === "") return 400;
  if (!channels.has(channel)) return 454;
  await services.admin.closeChannel(name, channel);
  return OK;
}

/**
 * Issues a token for a user. Its holder may use the channels whose whole name the expression matches, and may trigger any
 * worker. An expression that cannot be compiled is answered with 597, as in the original.
 */
async function accessToken([uid = "", permission = ""]: readonly string[], { issuer }: Vhost): Promise<RequestAnswer> {
  if (uid === "" || permission === "") return 400;
  const user = await undefinedOn("invalid_argument", () => readUser(uid, "uid"));
  if (user === undefined) return 400;
  const channels = [EXPRESSION + permission];
  const grants = { join: channels, publish: channels, presence: channels, call: ["*"] };
  const issued = await undefinedOn("invalid_argument", () =>
    issuer.createAccessToken({ user, permissions: Permissions.of(grants) }),
  );
  return issued === undefined ? 597 : ["AT", issued.token];
}

/** @returns undefined if the work fails with that code */
async function undefinedOn<T>(code: ErrorCode, work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (CarillonError.from(error).code === code) return undefined;
    throw error;
  }
}
