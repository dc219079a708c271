import { isObject } from "../../util/json.js";
import { parseJson } from "../json.js";

/** What a token says that its bearer may do, in broadcaster's terms. */
export interface Rights {
  readonly scope: ReadonlySet<string>;
  readonly channels: ReadonlySet<string>;
}

/**
 * Reads them from a token that was verified. They decide nothing but how a refusal is worded: broadcaster tells a client that
 * lacks a scope something else than one that lacks a channel, and permissions do not know the difference.
 */
export function rightsOf(token: string): Rights {
  const claims = parseJson(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"));
  const listAt = (name: string): ReadonlySet<string> => {
    const list = isObject(claims) ? claims[name] : undefined;
    return new Set(Array.isArray(list) ? list.filter((entry) => typeof entry === "string") : []);
  };
  return { scope: listAt("scope"), channels: listAt("authorizedChannels") };
}
