import { signed } from "./jwt.js";

/** JSON requests with ids, and numbered broadcasts. Clients send a JWT in their first request. */
export const broadcaster = {
  title: "Broadcaster",
  about:
    "Requests have an id, a method and params; an answer names the request that it belongs to. Broadcasts are counted by seq " +
    "for each connection, so that a gap shows what was missed. All but the heartbeat needs a token first.",
  path: "/broadcaster",
  fields: [
    {
      name: "secret",
      label: "Secret",
      aside: "as in the configuration; signs the token here",
      secret: true,
    },
  ],
  configuration: {
    why: "The configuration needs the secret of Broadcaster’s tokens:",
    lines: "vhosts:\n  VHOST:\n    broadcaster: { secret: … }",
  },

  socketPath: ({ path, vhost }) => `${path}/websocket${vhost === "/" ? "" : vhost}`,

  steps: [
    { name: "Heartbeat", frame: (_values, { next }) => request(next(), "heartbeat") },
    {
      name: "Authenticate",
      aside: "with a token for the channel, signed here",
      async frame({ channel, secret }, { next }) {
        if (secret === "") throw new Error("Type the secret first: the token is signed with it, in this page.");
        const now = Math.floor(Date.now() / 1_000);
        const token = await signed(secret, {
          sub: "visitor",
          aud: "broadcaster",
          iat: now,
          exp: now + TOKEN_LIFETIME_S,
          authorizedChannels: [channel],
          scope: ["subscribe", "publish"],
        });
        return request(next(), "auth", { token });
      },
    },
    { name: "Subscribe", frame: ({ channel }, { next }) => request(next(), "subscribe", { channel }) },
    {
      name: "Publish",
      frame: ({ channel }, { next }) =>
        request(next(), "publish", { channel, event: "greeting", payload: { text: "hello" } }),
    },
    { name: "Unsubscribe", frame: ({ channel }, { next }) => request(next(), "unsubscribe", { channel }) },
  ],
};

const TOKEN_LIFETIME_S = 3_600;

function request(id, method, params) {
  return JSON.stringify({ id, method, params });
}
