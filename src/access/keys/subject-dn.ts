import { CarillonError } from "../../errors.js";

type Attribute = readonly [type: string, value: string];

const TYPE = /^(?:[A-Za-z][\w-]*|\d+(?:\.\d+)+)$/;

/**
 * Normalizes a certificate's subject for comparison: attributes in their order, types in upper case, values exact but
 * trimmed. `CN=a\,b, o=x` and `CN=a\2cb,O=x` are equal; `CN=a` and `CN=a,O=x` are not.
 *
 * @param text - in the form of RFC 4514, most specific attribute first
 * @throws CarillonError invalid_argument
 */
export function normalizeSubject(text: string): string {
  return formatAttributes(splitAttributes(text).map(readAttribute));
}

/**
 * Formats Node's subject of a peer certificate (`getPeerCertificate().subject`), which has the least specific attribute
 * first, as `CN=…,O=…`. Values are escaped, so that a value cannot pass for further attributes.
 */
export function formatSubject(subject: Readonly<Record<string, string | readonly string[] | undefined>>): string {
  const attributes = Object.entries(subject).flatMap(([type, values]) =>
    [values ?? []].flat().map((value): Attribute => [type, value]),
  );
  return formatAttributes(attributes.toReversed());
}

function formatAttributes(attributes: readonly Attribute[]): string {
  return attributes.map(([type, value]) => `${type.toUpperCase()}=${escapeValue(value.trim())}`).join(",");
}

function escapeValue(value: string): string {
  return value
    .replace(/[\\,+"<>;=]/g, String.raw`\$&`)
    .replace(/\p{Cc}/gu, (character) =>
      [...Buffer.from(character)].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join(""),
    );
}

/**
 * Splits at `,` and `+`. `+` joins the attributes of one RDN. It counts as a comma, because authorities do not issue subjects
 * that differ only in that.
 */
function splitAttributes(text: string): string[] {
  const parts = [""];
  for (const [token] of text.matchAll(/\\[^]|[^]/g)) {
    if (token === "," || token === "+") parts.push("");
    else parts[parts.length - 1] += token;
  }
  return parts;
}

function readAttribute(text: string): Attribute {
  const at = text.indexOf("=");
  const type = text.slice(0, at).trim();
  if (at < 1 || !TYPE.test(type)) {
    throw new CarillonError("invalid_argument", "subject: expected attributes such as CN=billing,O=Example");
  }
  return [type, unescapeValue(text.slice(at + 1).trim())];
}

/** Removes escapes. Escaped pairs of hexadecimal digits are bytes of UTF-8, so adjacent pairs are decoded together. */
function unescapeValue(value: string): string {
  return value.replace(/(?:\\[0-9a-fA-F]{2})+|\\./gs, (sequence) =>
    /^\\[0-9a-fA-F]{2}/.test(sequence)
      ? Buffer.from(sequence.replaceAll("\\", ""), "hex").toString("utf8")
      : sequence.slice(1),
  );
}
