import { signJwt } from "./jwt.js";

/** JSON requests with ids, and numbered broadcasts. Clients send a JWT in their first request. */
export const broadcaster = {
  title: "Broadcaster",
  about:
    "A request has an id, a method and params; its answer repeats the id. Broadcasts carry a seq, counted per connection: a " +
    "gap means that messages were lost. Every method except heartbeat requires a token first.",
  path: "/broadcaster",
  fields: [
    {
      name: "secret",
      label: "Secret",
      aside: "from the configuration; signs the token in this page",
      secret: true,
    },
  ],
  configuration: {
    why: "Broadcaster requires a token secret in the configuration:",
    lines: "vhosts:\n  VHOST:\n    broadcaster: { secret: … }",
  },

  socketPath: ({ path, vhost }) => `${path}/websocket${vhost === "/" ? "" : vhost}`,

  steps: [
    { name: "Heartbeat", frame: (_values, { next }) => request(next(), "heartbeat") },
    {
      name: "Authenticate",
      aside: "with a token for the channel, signed in this page",
      async frame({ channel, secret }, { next }) {
        if (secret === "") throw new Error("Type the secret first: this page signs the token with it.");
        const now = Math.floor(Date.now() / 1_000);
        const token = await signJwt(secret, {
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
