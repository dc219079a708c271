/** Socket.IO's packets inside one WebSocket, without its client. */
export const socketio = {
  title: "Socket.IO",
  about:
    "What the stock client sends and gets. The first digit is Engine.IO’s: 0 opens, 2 asks and 3 answers whether anybody is " +
    "there, 4 is a packet of Socket.IO’s. Of those 0 connects, 1 disconnects, 2 is an event, and 3 acknowledges the event of " +
    "that number. This page connects and answers pings by itself.",
  path: "/socket.io/",

  socketPath: ({ path }) => `${path}?EIO=4&transport=websocket`,

  steps: [
    { name: "Join", frame: ({ channel, vhost }, { next }) => event(vhost, next(), "join", { topics: [channel] }) },
    {
      name: "Ask for elevation",
      aside: "with a token made by RPC",
      async frame({ vhost }, { asBackend, next }) {
        const { token } = await asBackend("/carillon.v1.TokenService/CreateConnectionToken", { user: "visitor" });
        return event(vhost, next(), "request_elevation", { token });
      },
    },
    {
      name: "Spectate",
      aside: "one group at a time, when elevated",
      frame: ({ channel, vhost }, { next }) => event(vhost, next(), "spectate", { guild_id: channel }),
    },
    { name: "Leave", frame: ({ channel, vhost }, { next }) => event(vhost, next(), "leave", { topics: [channel] }) },
    { name: "Disconnect", frame: ({ vhost }) => `41${namespace(vhost)}` },
    { name: "Connect again", frame: ({ vhost }) => `40${namespace(vhost)}` },
  ],

  reply(text, { vhost }) {
    if (text.startsWith("0")) return `40${namespace(vhost)}`;
    return text === "2" ? "3" : undefined;
  },
};

/** Creates an event; the number requests an acknowledgement. */
function event(vhost, number, name, argument) {
  return `42${namespace(vhost)}${number}${JSON.stringify([name, argument])}`;
}

/** A vhost is a namespace; the first one goes without saying. */
function namespace(vhost) {
  return vhost === "/" ? "" : `${vhost},`;
}
