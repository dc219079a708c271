/**
 * Say where an answer ends or what becomes of its connection: they are ours to write, and concern two neighbours only
 * (RFC 9110 §7.6.1).
 */
const OURS = new Set([
  "connection",
  "content-length",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** All of these are: they are words of the handshake that is being refused. */
const HANDSHAKE = "sec-websocket-";
/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/;
/** RFC 9110 §5.5: nothing that ends a line. A line break, copied from a request, would begin another header. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Why somebody else's header cannot be written into an answer of ours; undefined where it can. */
export function headerFault(name: string, value: string): string | undefined {
  if (!TOKEN.test(name)) return "has a name that is none";
  const known = name.toLowerCase();
  if (OURS.has(known) || known.startsWith(HANDSHAKE)) return `sets ${name}, which is not the backend's to set`;
  return FIELD_VALUE.test(value) ? undefined : "has a value with characters that a header cannot hold";
}
