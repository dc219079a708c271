import { CarillonError } from "../../errors.js";

type Attribute = readonly [type: string, value: string];

const TYPE = /^(?:[A-Za-z][\w-]*|\d+(?:\.\d+)+)$/;

/**
 * A certificate's subject in the one way of writing that subjects are compared in: attributes in their order, types in
 * upper case, values exactly, without spaces around. `CN=a\,b, o=x` and `CN=a\2cb,O=x` are the same; `CN=a` and `CN=a,O=x` are not.
 *
 * @param text - as RFC 4514 has it, most specific first
 * @throws CarillonError invalid_argument
 */
export function normalSubject(text: string): string {
  return write(split(text).map(readAttribute));
}

/**
 * The subject that Node gives for a peer's certificate (`getPeerCertificate().subject`), which has the least specific
 * first, as `CN=…,O=…`. What the values hold cannot pass for another attribute.
 */
export function subjectText(subject: Readonly<Record<string, string | readonly string[] | undefined>>): string {
  const attributes = Object.entries(subject).flatMap(([type, values]) =>
    [values ?? []].flat().map((value): Attribute => [type, value]),
  );
  return write(attributes.toReversed());
}

function write(attributes: readonly Attribute[]): string {
  return attributes.map(([type, value]) => `${type.toUpperCase()}=${escaped(value.trim())}`).join(",");
}

function escaped(value: string): string {
  return value
    .replace(/[\\,+"<>;=]/g, String.raw`\$&`)
    .replace(/\p{Cc}/gu, (character) =>
      [...Buffer.from(character)].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join(""),
    );
}

/** Between attributes; `+`, between those of one rank, counts the same: nobody issues two subjects that differ in it. */
function split(text: string): string[] {
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
  return [type, unescaped(text.slice(at + 1).trim())];
}

/** Pairs of hexadecimal digits are bytes of UTF-8, so neighbours are read together. */
function unescaped(value: string): string {
  return value.replace(/(?:\\[0-9a-fA-F]{2})+|\\./gs, (sequence) =>
    /^\\[0-9a-fA-F]{2}/.test(sequence)
      ? Buffer.from(sequence.replaceAll("\\", ""), "hex").toString("utf8")
      : sequence.slice(1),
  );
}
