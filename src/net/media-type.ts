/** A media type as `Content-Type` names it. Source: RFC 9110 §8.3.1. */
export interface MediaType {
  /** Type and subtype in lower case, such as `application/json`. */
  readonly type: string;
  /** Values by lower-case name, without quotes. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+/;
/** `; name=value`, or nothing behind a semicolon, from where the one before has ended. */
const PARAMETER =
  /[ \t]*;[ \t]*(?:(?<name>[\w!#$%&'*+.^`|~-]+)=(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<token>[\w!#$%&'*+.^`|~-]+)))?/y;

/** @returns undefined for what is no media type */
export function parseMediaType(text: string): MediaType | undefined {
  const trimmed = text.trim();
  const [type = ""] = TYPE.exec(trimmed) ?? [];
  if (type === "") return undefined;
  const parameters = new Map<string, string>();
  PARAMETER.lastIndex = type.length;
  while (PARAMETER.lastIndex < trimmed.length) {
    const { groups } = PARAMETER.exec(trimmed) ?? {};
    if (groups === undefined) return undefined;
    const { name, quoted, token = "" } = groups;
    if (name !== undefined) parameters.set(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, "$1") ?? token);
  }
  return { type: type.toLowerCase(), parameters };
}
