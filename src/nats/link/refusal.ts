import { type NatsConnection, type NatsError, ErrorCode as NatsErrorCode, type Status } from "nats";

/** What the server does not do for this node. */
export type NatsRefusal = PermissionRefusal | VagueRefusal;

interface PermissionRefusal {
  readonly operation: "publish" | "subscribe";
  readonly subject: string;
  /** For people. */
  readonly words: string;
}

/** The server does not say what it has not done: the subject is beyond `max_subscriptions`, for one. */
interface VagueRefusal {
  readonly operation: "unknown";
  /** The server's own. */
  readonly words: string;
}

/** The refusal that an error of the server tells of; undefined for errors about how this node enters. */
export function readNatsRefusal(status: Status, connection: NatsConnection): NatsRefusal | undefined {
  const { data, permissionContext } = status;
  if (permissionContext !== undefined) {
    const operation = permissionContext.operation === "publish" ? "publish" : "subscribe";
    const subject = unquote(permissionContext.subject);
    return { operation, subject, words: `not permitted: ${operation} ${subject}` };
  }
  if (data !== NatsErrorCode.ProtocolError && data !== NatsErrorCode.PermissionsViolation) return undefined;
  return { operation: "unknown", words: lastWords(connection, data) ?? data };
}

/** The status has only a code, the same for many errors; the words are in what the library keeps as its last error. */
function lastWords(connection: NatsConnection, code: NatsErrorCode): string | undefined {
  const { protocol } = connection as { readonly protocol?: { readonly lastError?: NatsError } } & NatsConnection;
  const error = protocol?.lastError;
  return error?.code === code ? error.message.replace(OUTER_QUOTES, "") : undefined;
}

const OUTER_QUOTES = /^'|'$/g;

/**
 * The server writes the subject as a Go string literal (`%q`), and the library hands that on without the outer quotes:
 * a subject with a quotation mark, a backslash or a character that Go does not print has escapes in it. (For the same
 * reason the library does not find the subscription that was refused, and never tells it.)
 *
 * Source: The Go Programming Language Specification, "Rune literals".
 */
function unquote(text: string): string {
  return text.replace(GO_ESCAPE, (_escape, hex: string | undefined, character: string | undefined) =>
    hex === undefined ? (character ?? "") : String.fromCodePoint(Number.parseInt(hex.slice(1), 16)),
  );
}

/** Control characters have escapes of their own, which are left out here: they are in no topic. */
const GO_ESCAPE = /\\(?:(x[\da-f]{2}|u[\da-f]{4}|U[\da-f]{8})|(["\\]))/g;
