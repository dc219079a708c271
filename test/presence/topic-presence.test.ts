import type { PresenceEntry } from "../../src/presence/presence-entry.js";
import { TopicPresence } from "../../src/presence/topic-presence.js";
import { someone } from "./support.js";

function entry(id: number, connectionId: string, user = ""): PresenceEntry {
  return { id, key: "room", member: someone(connectionId, user) };
}

function idsIn(room: TopicPresence): string[] {
  return room.members.map(({ connectionId }) => connectionId);
}

test("lists a connection once, as last reported", () => {
  const room = new TopicPresence("room");
  const [first, second] = [entry(1, "c1", "ann"), entry(2, "c1", "bob")];
  room.add(first);
  expect([room.count, room.users, room.members]).toEqual([1, 1, [first.member]]);
  room.add(second);
  expect([room.count, room.users, room.members]).toEqual([1, 1, [second.member]]);
  room.remove(first);
  expect([room.count, room.users, room.members]).toEqual([1, 1, [second.member]]);
  room.remove(second);
  expect([room.count, room.users, room.members, room.idle]).toEqual([0, 0, [], true]);
});

test("keeps lists in order through all changes, and never changes a list that it returned", () => {
  const room = new TopicPresence("room");
  const entries = Array.from({ length: 1_000 }, (_, id) => entry(id, `c${(id * 7_919) % 1_000}`));
  const ids = (from: number, to: number): string[] =>
    entries
      .slice(from, to)
      .map(({ member }) => member.connectionId)
      .toSorted();
  for (const each of entries.slice(0, 10)) room.add(each);
  const first = room.members;
  // Changes of these sizes are inserted one by one, or cause the whole list to be sorted again.
  for (const [from, to] of [
    [10, 12],
    [12, 400],
    [400, 1_000],
  ] as const) {
    for (const each of entries.slice(from, to)) room.add(each);
    expect(idsIn(room)).toEqual(ids(0, to));
    expect(room.members).toBe(room.members);
  }
  for (const each of entries.slice(0, 50)) room.remove(each);
  expect(idsIn(room)).toEqual(ids(50, 1_000));
  for (const each of entries.slice(50, 990)) room.remove(each);
  expect(idsIn(room)).toEqual(ids(990, 1_000));
  expect(first.map(({ connectionId }) => connectionId)).toEqual(ids(0, 10));
});
