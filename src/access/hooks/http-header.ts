/**
 * Headers that only the server may set, because they frame the answer or control the connection. All but content-length
 * are hop-by-hop. Source: RFC 9110 §7.6.1.
 */
const RESERVED = new Set([
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
/** Prefix of the WebSocket handshake's headers, which only the server may set. */
const HANDSHAKE = "sec-websocket-";
/** Header name. Source: RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/;
/** Header value without line breaks, which would inject another header. Source: RFC 9110 §5.5. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Returns the reason why a backend's header cannot be in the answer; undefined if it can. */
export function headerProblem(name: string, value: string): string | undefined {
  if (!TOKEN.test(name)) return "has an invalid name";
  const lowerCase = name.toLowerCase();
  if (RESERVED.has(lowerCase) || lowerCase.startsWith(HANDSHAKE)) return `sets ${name}, which only the server may set`;
  return FIELD_VALUE.test(value) ? undefined : "has a value with invalid characters";
}
