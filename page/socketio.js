/** Socket.IO's packets inside one WebSocket, without its client. */
export const socketio = {
  title: "Socket.IO",
  about:
    "Packets as the standard client sends and receives them. The first digit is the Engine.IO type: 0 open, 2 ping, 3 pong, " +
    "4 a Socket.IO packet. The next digit is the Socket.IO type: 0 connect, 1 disconnect, 2 event, 3 acknowledgement of the " +
    "event with that number. This page connects and answers pings by itself.",
  path: "/socket.io/",

  socketPath: ({ path }) => `${path}?EIO=4&transport=websocket`,

  steps: [
    { name: "Join", frame: ({ channel, vhost }, { next }) => event(vhost, next(), "join", { topics: [channel] }) },
    {
      name: "Request elevation",
      aside: "with a token created by RPC",
      async frame({ vhost }, { call, next }) {
        const { token } = await call("/carillon.v1.TokenService/CreateConnectionToken", { user: "visitor" });
        return event(vhost, next(), "request_elevation", { token });
      },
    },
    {
      name: "Spectate",
      aside: "one group at a time, after elevation",
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

/** Creates an event packet. Its number requests an acknowledgement. */
function event(vhost, number, name, argument) {
  return `42${namespace(vhost)}${number}${JSON.stringify([name, argument])}`;
}

/** Returns the prefix of a vhost's namespace; the namespace of "/" is omitted. */
function namespace(vhost) {
  return vhost === "/" ? "" : `${vhost},`;
}
