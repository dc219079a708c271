import { type IdleConnection, IdleConnections } from "../../../../src/dialects/socketio/engine/idle-connections.js";

function lineOf(address: string, lines: IdleConnections, cut: IdleConnection[] = []): IdleConnection {
  const line: IdleConnection = {
    address,
    cut() {
      cut.push(line);
      lines.delete(line);
    },
  };
  return line;
}

test("I17: limits connections of an address, and counts an IPv6 network as one", () => {
  const lines = new IdleConnections({ perAddress: 2 });
  const first = lineOf("2001:db8::1", lines);
  expect(lines.add(first)).toBe(true);
  expect(lines.add(lineOf("2001:db8::2", lines))).toBe(true);
  expect(lines.add(lineOf("2001:db8::3", lines))).toBe(false);
  expect(() => lines.checkRoom("2001:db8::4")).toThrow("too many connections of this address");
  expect(() => lines.checkRoom("192.0.2.1")).not.toThrow();
  lines.delete(first);
  lines.delete(first);
  expect(lines.size).toBe(1);
  expect(lines.add(lineOf("2001:db8::3", lines))).toBe(true);
  expect(lines.add(lineOf("2001:db8::3", lines))).toBe(false);
});

test("I17: closes the oldest when there are too many in all", () => {
  const lines = new IdleConnections({ inAll: 2 });
  const cut: IdleConnection[] = [];
  const all = Array.from({ length: 4 }, (_, at) => lineOf(`192.0.2.${at}`, lines, cut));
  for (const line of all) expect(lines.add(line)).toBe(true);
  expect(cut).toEqual(all.slice(0, 2));
  expect(lines.size).toBe(2);
});
