/** Events over a WebSocket whose path holds a token; a backend creates the tokens. */
export const rootsocket = {
  title: "RootSocket",
  about:
    "An event whose type is not one of the protocol’s names a channel, and sends data.raw to it. Clients connect and " +
    "subscribe with tokens that a backend creates; here the page creates them. Only failures are answered.",
  path: "/api/v1",
  configuration: {
    why: "Clients may send only if the configuration allows it:",
    lines: "vhosts:\n  VHOST:\n    rootsocket: { allow_client_send: true }",
  },

  async socketPath(values, tools) {
    return `${values.path}/ws/${await createToken("connections", values, tools)}/`;
  },

  steps: [
    { name: "Ping", frame: () => event("ping") },
    {
      name: "Subscribe",
      aside: "creates a token for the channel first",
      async frame(values, tools) {
        const { channel } = values;
        const auth = await createToken("tokens", values, tools, { category: CHANNEL, channel });
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

/** Token category of channels. */
const CHANNEL = 1;

/** Creates a token. The header holds the key without a scheme, unlike in other dialects. */
async function createToken(what, { key, path, vhost }, { post }, body = {}) {
  const headers = { "carillon-vhost": vhost, ...(key === "" ? {} : { authorization: key }) };
  const { token } = await post(`${path}/${what}/`, body, headers);
  return token;
}

function event(type, data) {
  return JSON.stringify({ event: type, data });
}
