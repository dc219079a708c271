import type { Scopes } from "../access/keys/keyring.js";
import type { VhostSettings } from "../config/vhost.js";

/** Converts the keys and certificates in a vhost's settings. */
export function toScopes({ certificates, keys }: Pick<VhostSettings, "certificates" | "keys">): Scopes {
  return {
    keys: keys.map(({ actions, hash, name, topics = [] }) => ({
      id: name,
      name,
      hash: hash.slice("sha256:".length),
      actions,
      topics,
      created: undefined,
      configured: true,
    })),
    certificates: certificates.map(({ actions, name, subject, topics = [] }) => ({
      name: name ?? subject,
      subject,
      actions,
      topics,
    })),
  };
}
