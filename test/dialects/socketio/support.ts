import type { ConfigInput } from "../../../src/index.js";
import { SECRET, signed } from "../../access/jwts.js";

/** A vhost with its own token secret and the call rules of a typical application. */
export const CONFIG: ConfigInput = {
  vhosts: {
    "/": {
      topics: [{ match: "staff.>", access: "private" }],
      anonymous: { permissions: { call: ["interpret"] } },
      jwt: { secret: SECRET },
      credentials: { cookie: "session" },
      socketio: {
        calls: [
          { event: "pool_request", answer: "pool_response" },
          { event: "mock_user_event" },
          { event: "interpret", elevated: false, answer: "interpreted", timeout: "10m" },
        ],
      },
    },
  },
};

/** Signs a token of the vhost's issuer, valid for an hour. The claims override the default ones. */
export function tokenFor(user: string, claims: object = {}): Promise<string> {
  return signed(SECRET, "HS256", {
    sub: user,
    exp: Math.floor(Date.now() / 1_000) + 3_600,
    permissions: { call: ["pool_request", "mock_user_event", "interpret"], join: ["staff.eve"] },
    info: { roles: ["mod"] },
    ...claims,
  });
}
