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
  ConnectQuestion,
  ForwardedUpgrade,
  GivenChanges,
  GivenHttpRefusal,
  GivenRefusal,
  HookFarewell,
  HookSubject,
  JoinQuestion,
  PublishQuestion,
  Verdict,
} from "../../access/hooks/hook-caller.js";
import { givenInfo, infoFields, toMilliseconds } from "../../rpc/values.js";

/** What backends are asked, and what they answer, as messages of carillon.v1.HookService. */

export function connectRequest(question: ConnectQuestion): MessageInitShape<typeof OnConnectRequestSchema> {
  return { client: clientOf(question.client), ...upgradeOf(question) };
}

export function joinRequest(question: JoinQuestion): MessageInitShape<typeof OnJoinRequestSchema> {
  const { broker, client, topics, upgrade } = question;
  const asked = { client: clientOf(client), broker, topics: [...topics] };
  return upgrade === undefined ? asked : { ...asked, upgrade: upgradeOf(upgrade) };
}

function upgradeOf({ headers, method, query, uri }: Omit<ForwardedUpgrade, "forwarded">) {
  return {
    method,
    uri,
    headers: [...headersOf(headers)],
    cookies: Object.fromEntries(cookiesOf(headers.cookie ?? "")),
    query: Object.fromEntries([...query].filter(([name]) => name !== NO_KEY)),
  };
}

export function publishRequest(question: PublishQuestion): MessageInitShape<typeof OnPublishRequestSchema> {
  const { broker, client, event, payload, topics } = question;
  return { client: clientOf(client), broker, topics: [...topics], payload, event };
}

export function farewellRequest(farewell: HookFarewell): MessageInitShape<typeof OnDisconnectRequestSchema> {
  const { client, code, reason } = farewell;
  return { client: clientOf(client), code, reason };
}

/** @throws Error */
export function connectVerdict({ decision }: OnConnectResponse): Verdict<GivenHttpRefusal> {
  return decision.case === "refuse" ? { refuse: decision.value } : { allow: changesOf(decision.value) };
}

/** @throws Error */
export function verdictOf({ decision }: OnJoinResponse | OnPublishResponse): Verdict<GivenRefusal> {
  return decision.case === "refuse" ? { refuse: decision.value } : { allow: changesOf(decision.value) };
}

function changesOf(changes: Changes | undefined): GivenChanges {
  return {
    user: changes?.user,
    info: givenInfo(changes),
    topics: changes?.topics ?? [],
    expires: toMilliseconds("expires", changes?.expires),
  };
}

function clientOf({ info, user, ...same }: HookSubject): MessageInitShape<typeof ClientSchema> {
  return { ...same, user: user ?? "", ...infoFields(info) };
}

/** Not a name of a map, as JavaScript knows it. */
const NO_KEY = "__proto__";

function* headersOf(headers: IncomingHttpHeaders): Generator<{ readonly name: string; readonly value: string }> {
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) yield { name, value: one };
  }
}

/** Values have no quotes and are decoded. Of one name the first counts, as it is the more specific path's. */
function cookiesOf(header: string): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of header.split(";")) {
    const end = pair.indexOf("=");
    const name = pair.slice(0, end).trim();
    if (end < 1 || name === "" || name === NO_KEY || cookies.has(name)) continue;
    const value = pair.slice(end + 1).trim();
    cookies.set(name, percentDecoded(value.replace(/^"(.*)"$/, "$1")));
  }
  return cookies;
}

/** Decodes what frameworks percent-encode, as PHP's setcookie does. Text that is not percent-encoded stays as it came. */
function percentDecoded(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
