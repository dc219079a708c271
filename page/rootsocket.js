/** Events over a WebSocket whose path holds a token; a backend creates the tokens. */
export const rootsocket = {
  title: "RootSocket",
  about:
    "An event of one of the protocol’s own types does what its name says; any other type is a channel, and data.raw what is " +
    "sent to it. A backend makes the tokens to connect and to subscribe with, which is done here by this page. What works " +
    "has no answer.",
  path: "/api/v1",
  configuration: {
    why: "Clients may send only where the configuration lets them:",
    lines: "vhosts:\n  VHOST:\n    rootsocket: { allow_client_send: true }",
  },

  async socketPath(values, tools) {
    return `${values.path}/ws/${await tokenFor("connections", values, tools)}/`;
  },

  steps: [
    { name: "Ping", frame: () => event("ping") },
    {
      name: "Subscribe",
      aside: "fetches a token of the channel first",
      async frame(values, tools) {
        const { channel } = values;
        const auth = await tokenFor("tokens", values, tools, { category: CHANNEL, channel });
        return event("subscription-add", { channel, auth });
      },
    },
    { name: "Send a message", frame: ({ channel }) => event(channel, { raw: "hello" }) },
    { name: "Unsubscribe", frame: ({ channel }) => event("subscription-remove", { channel }) },
    { name: "Disconnect", frame: () => event("disconnect") },
  ],

  /** Answers the server's ping. */
  reply: (text) => (text === event("ping") ? event("pong") : undefined),
};

/** The category of a channel's token. */
const CHANNEL = 1;

/** The bare key, unlike elsewhere. */
async function tokenFor(what, { key, path, vhost }, { ask }, body = {}) {
  const headers = { "carillon-vhost": vhost, ...(key === "" ? {} : { authorization: key }) };
  const { token } = await ask(`${path}/${what}/`, body, headers);
  return token;
}

function event(type, data) {
  return JSON.stringify({ event: type, data });
}
