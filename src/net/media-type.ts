/** A media type, as in `Content-Type`. Source: RFC 9110 §8.3.1. */
export interface MediaType {
  /** Type and subtype in lower case, such as `application/json`. */
  readonly type: string;
  /** Values by lower-case name, without quotes. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+/;
/** Matches `; name=value`, or an empty parameter, from the end of the preceding one. */
const PARAMETER =
  /[ \t]*;[ \t]*(?:(?<name>[\w!#$%&'*+.^`|~-]+)=(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<token>[\w!#$%&'*+.^`|~-]+)))?/y;

/** @returns undefined when the text is not a media type */
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
