import { type IdleConnection, IdleConnections } from "../../../../src/dialects/socketio/engine/idle-connections.js";

function openFrom(address: string, connections: IdleConnections, cut: IdleConnection[] = []): IdleConnection {
  const connection: IdleConnection = {
    address,
    cut() {
      cut.push(connection);
      connections.delete(connection);
    },
  };
  return connection;
}

test("I17: limits the connections of an address, and counts an IPv6 network as one", () => {
  const connections = new IdleConnections({ perAddress: 2 });
  const first = openFrom("2001:db8::1", connections);
  expect(connections.add(first)).toBe(true);
  expect(connections.add(openFrom("2001:db8::2", connections))).toBe(true);
  expect(connections.add(openFrom("2001:db8::3", connections))).toBe(false);
  expect(() => connections.checkLimit("2001:db8::4")).toThrow("too many connections of this address");
  expect(() => connections.checkLimit("192.0.2.1")).not.toThrow();
  connections.delete(first);
  connections.delete(first);
  expect(connections.size).toBe(1);
  expect(connections.add(openFrom("2001:db8::3", connections))).toBe(true);
  expect(connections.add(openFrom("2001:db8::3", connections))).toBe(false);
});

test("I17: closes the oldest connection when there are too many in total", () => {
  const connections = new IdleConnections({ inAll: 2 });
  const cut: IdleConnection[] = [];
  const all = Array.from({ length: 4 }, (_, at) => openFrom(`192.0.2.${at}`, connections, cut));
  for (const connection of all) expect(connections.add(connection)).toBe(true);
  expect(cut).toEqual(all.slice(0, 2));
  expect(connections.size).toBe(2);
});
