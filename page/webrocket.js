/** Frames with one member, which names the event. Channels exist only after a backend has opened them. */
export const webrocket = {
  title: "WebRocket",
  about:
    "A frame is an object with one member, named after the event; the names of the server’s own events begin with a colon. A " +
    "channel exists after a backend has opened it. A private-… channel requires authentication. A presence-… channel also " +
    "shows its members to each other.",
  path: "/webrocket",
  configuration: {
    why: "Clients may broadcast without authentication only if the configuration allows it:",
    lines: "vhosts:\n  VHOST:\n    client_publish: true",
  },

  socketPath: ({ path, vhost }) => (vhost === "/" ? path : path.replace(/\/$/, "") + vhost),

  steps: [
    {
      name: "Open the channel",
      aside: "by RPC",
      call: ({ channel }, { call }) => call("/carillon.v1.ControlService/OpenChannel", { channel }),
    },
    { name: "Subscribe", frame: ({ channel }) => event("subscribe", { channel }) },
    {
      name: "Authenticate",
      aside: "with a single-use token created by RPC",
      async frame({ channel }, { call }) {
        const permissions = { join: [channel], publish: [channel] };
        const wanted = { user: "visitor", permissions };
        const { token } = await call("/carillon.v1.TokenService/CreateAccessToken", wanted);
        return event("auth", { token });
      },
    },
    {
      name: "Broadcast",
      frame: ({ channel }) => event("broadcast", { channel, event: "greeting", data: { text: "hello" } }),
    },
    { name: "Unsubscribe", frame: ({ channel }) => event("unsubscribe", { channel }) },
    { name: "Close", frame: () => event("close", {}) },
  ],
};

function event(name, data) {
  return JSON.stringify({ [name]: data });
}
