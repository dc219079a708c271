import { type NatsConnection, type NatsError, ErrorCode as NatsErrorCode, type Status } from "nats";

/** An operation that the server refused. */
export type NatsRefusal = PermissionRefusal | UnspecifiedRefusal;

interface PermissionRefusal {
  readonly operation: "publish" | "subscribe";
  readonly subject: string;
  /** Description for logs and errors. */
  readonly text: string;
}

/** A refusal without a subject, for example because of `max_subscriptions`. */
interface UnspecifiedRefusal {
  readonly operation: "unknown";
  /** The server's text. */
  readonly text: string;
}

/** Reads the refusal from an error of the server; undefined for authentication errors. */
export function readNatsRefusal(status: Status, connection: NatsConnection): NatsRefusal | undefined {
  const { data, permissionContext } = status;
  if (permissionContext !== undefined) {
    const operation = permissionContext.operation === "publish" ? "publish" : "subscribe";
    const subject = unescapeSubject(permissionContext.subject);
    return { operation, subject, text: `not permitted: ${operation} ${subject}` };
  }
  if (data !== NatsErrorCode.ProtocolError && data !== NatsErrorCode.PermissionsViolation) return undefined;
  return { operation: "unknown", text: findLastErrorText(connection, data) ?? data };
}

/** Finds the server's text in the library's last error, because the status has only a code that many errors share. */
function findLastErrorText(connection: NatsConnection, code: NatsErrorCode): string | undefined {
  const { protocol } = connection as { readonly protocol?: { readonly lastError?: NatsError } } & NatsConnection;
  const error = protocol?.lastError;
  return error?.code === code ? error.message.replace(OUTER_QUOTES, "") : undefined;
}

const OUTER_QUOTES = /^'|'$/g;

/**
 * Decodes a subject. The server writes it as a Go string literal (`%q`), and the library removes only the outer quotes:
 * quotation marks, backslashes and unprintable characters remain escaped. For the same reason the library does not find
 * the refused subscription, and does not notify it.
 *
 * Source: The Go Programming Language Specification, "Rune literals".
 */
function unescapeSubject(text: string): string {
  return text.replace(GO_ESCAPE, (_escape, hex: string | undefined, character: string | undefined) =>
    hex === undefined ? (character ?? "") : String.fromCodePoint(Number.parseInt(hex.slice(1), 16)),
  );
}

/** Matches escapes, except those of control characters, which topics do not contain. */
const GO_ESCAPE = /\\(?:(x[\da-f]{2}|u[\da-f]{4}|U[\da-f]{8})|(["\\]))/g;
