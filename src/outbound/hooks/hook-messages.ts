import type { IncomingHttpHeaders } from "node:http";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  Changes,
  ClientSchema,
  OnConnectRequestSchema,
  OnConnectResponse,
  OnDisconnectRequestSchema,
  OnJoinRequestSchema,
  OnJoinResponse,
  OnPublishRequestSchema,
  OnPublishResponse,
} from "../../../gen/carillon/v1/hook_pb.js";
import type {
  ConnectHookRequest,
  DisconnectHookEvent,
  ForwardedUpgrade,
  HookSubject,
  JoinHookRequest,
  PublishHookRequest,
  UncheckedChanges,
  UncheckedHttpRefusal,
  UncheckedRefusal,
  Verdict,
} from "../../access/hooks/hook-caller.js";
import { infoFields, readInfoFields, toMilliseconds } from "../../rpc/values.js";

/** Requests and answers of carillon.v1.HookService. */

export function toConnectRequest(question: ConnectHookRequest): MessageInitShape<typeof OnConnectRequestSchema> {
  return { client: toClient(question.client), ...toUpgrade(question) };
}

export function toJoinRequest(question: JoinHookRequest): MessageInitShape<typeof OnJoinRequestSchema> {
  const { broker, client, topics, upgrade } = question;
  const request = { client: toClient(client), broker, topics: [...topics] };
  return upgrade === undefined ? request : { ...request, upgrade: toUpgrade(upgrade) };
}

function toUpgrade({ headers, method, query, uri }: Omit<ForwardedUpgrade, "forwarded">) {
  return {
    method,
    uri,
    headers: [...listHeaders(headers)],
    cookies: Object.fromEntries(parseCookies(headers.cookie ?? "")),
    query: Object.fromEntries([...query].filter(([name]) => name !== RESERVED_KEY)),
  };
}

export function toPublishRequest(question: PublishHookRequest): MessageInitShape<typeof OnPublishRequestSchema> {
  const { broker, client, event, payload, topics } = question;
  return { client: toClient(client), broker, topics: [...topics], payload, event };
}

export function toDisconnectRequest(event: DisconnectHookEvent): MessageInitShape<typeof OnDisconnectRequestSchema> {
  const { client, code, reason } = event;
  return { client: toClient(client), code, reason };
}

/** @throws Error if the answer is malformed */
export function readConnectVerdict({ decision }: OnConnectResponse): Verdict<UncheckedHttpRefusal> {
  return decision.case === "refuse" ? { refuse: decision.value } : { allow: readChanges(decision.value) };
}

/** @throws Error if the answer is malformed */
export function readVerdict({ decision }: OnJoinResponse | OnPublishResponse): Verdict<UncheckedRefusal> {
  return decision.case === "refuse" ? { refuse: decision.value } : { allow: readChanges(decision.value) };
}

function readChanges(changes: Changes | undefined): UncheckedChanges {
  return {
    user: changes?.user,
    info: readInfoFields(changes),
    topics: changes?.topics ?? [],
    expires: toMilliseconds("expires", changes?.expires),
  };
}

function toClient({ info, user, ...same }: HookSubject): MessageInitShape<typeof ClientSchema> {
  return { ...same, user: user ?? "", ...infoFields(info) };
}

/** Name that would set the prototype of a JavaScript object instead of a property. */
const RESERVED_KEY = "__proto__";

function* listHeaders(headers: IncomingHttpHeaders): Generator<{ readonly name: string; readonly value: string }> {
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) yield { name, value: one };
  }
}

/** Parses cookies. Quotes are removed and values decoded. The first cookie of a name wins, because its path is more specific. */
function parseCookies(header: string): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of header.split(";")) {
    const end = pair.indexOf("=");
    const name = pair.slice(0, end).trim();
    if (end < 1 || name === "" || name === RESERVED_KEY || cookies.has(name)) continue;
    const value = pair.slice(end + 1).trim();
    cookies.set(name, decodePercent(value.replace(/^"(.*)"$/, "$1")));
  }
  return cookies;
}

/** Decodes values that frameworks percent-encode, as PHP's setcookie does. Text that is not percent-encoded is unchanged. */
function decodePercent(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
