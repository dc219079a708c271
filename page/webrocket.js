/** Frames with one member, which names the event. Channels exist only after a backend has opened them. */
export const webrocket = {
  title: "WebRocket",
  about:
    "A frame is an object with one member, which names the event; the server’s own events begin with a colon. Channels exist " +
    "only once a backend has opened them. One named private-… is for those who have authenticated, and one named presence-… " +
    "tells its members of each other.",
  path: "/webrocket",
  configuration: {
    why: "Everyone may broadcast where the configuration says so; others authenticate before:",
    lines: "vhosts:\n  VHOST:\n    client_publish: true",
  },

  socketPath: ({ path, vhost }) => (vhost === "/" ? path : path.replace(/\/$/, "") + vhost),

  steps: [
    {
      name: "Open the channel",
      aside: "by RPC",
      call: ({ channel }, { asBackend }) => asBackend("/carillon.v1.ControlService/OpenChannel", { channel }),
    },
    { name: "Subscribe", frame: ({ channel }) => event("subscribe", { channel }) },
    {
      name: "Authenticate",
      aside: "with a token made by RPC, for one use",
      async frame({ channel }, { asBackend }) {
        const permissions = { join: [channel], publish: [channel] };
        const wanted = { user: "visitor", permissions };
        const { token } = await asBackend("/carillon.v1.TokenService/CreateAccessToken", wanted);
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
