import type { Presence } from "../../src/presence/presence.js";
import { PLACE, someone, Watcher } from "../presence/support.js";

/** Creates the presence of two nodes, or the same presence twice where the driver is local. */
export type SetUp = () => Promise<readonly [Presence, Presence]>;

/** Tests the contract of presence/presence.ts, which every driver fulfils. */
export function presenceContract(ofDriver: string, setUp: SetUp): void {
  describe(`presence: ${ofDriver}`, () => {
    let one: Presence;
    let other: Presence;
    let watchers: Watcher[];

    beforeEach(async () => {
      [one, other] = await setUp();
      watchers = [];
    });

    afterEach(() => {
      for (const watcher of watchers) {
        expect(watcher.faults).toEqual([]);
        watcher.end();
      }
    });

    function watch(of = other, place = PLACE): Watcher {
      const watcher = new Watcher(of, place);
      watchers.push(watcher);
      return watcher;
    }

    /** Resolves when the other node has applied all earlier changes. */
    async function arrived(): Promise<void> {
      const place = { ...PLACE, topic: "sentinel" };
      const watcher = watch(other, place);
      one.enter(place, someone("sentinel"), false);
      await watcher.counts(1);
      one.leave(place, "sentinel");
      await watcher.counts(0);
    }

    test("has no members at first", () => {
      expect([one.members(PLACE), one.count(PLACE), one.users(PLACE)]).toEqual([[], 0, 0]);
    });

    test("adds a member at once, and soon on every node, with all its fields", async () => {
      const watcher = watch();
      const member = someone(
        "c1",
        "häns",
        '{ "name":"Häns\\n", "id":1724442618569203714, "7":1.10, "7":[null,{"deep":1E5}] }',
      );
      one.enter(PLACE, member, false);
      expect([one.members(PLACE), one.count(PLACE), one.users(PLACE)]).toEqual([[member], 1, 1]);

      await watcher.counts(1);
      expect(watcher.here).toEqual([member]);
      expect([other.members(PLACE), other.count(PLACE), other.users(PLACE)]).toEqual([[member], 1, 1]);
    });

    test("removes a member at once, and soon on every node", async () => {
      const watcher = watch();
      for (const id of ["c1", "c2"]) one.enter(PLACE, someone(id), false);
      await watcher.counts(2);
      one.leave(PLACE, "c1");
      expect(one.members(PLACE)).toEqual([someone("c2")]);
      await watcher.counts(1);
      expect(other.members(PLACE)).toEqual([someone("c2")]);
      expect(watcher.toldOf("c1")).toEqual(["+c1", "-c1"]);
    });

    test("reports a leave with its leave info and the member's information on every node", async () => {
      const both = [watch(one), watch()];
      const kept = '{"name":"Ann","7":[1.10,null],"deep":{"a":1}}';
      const said = '{"n\\u0061me":"Nan","why":1724442618569203714,"__proto__":{"a":2},"deep":null}';
      const merged = `{"7":[1.10,null],${said.slice(1)}`;
      one.enter(PLACE, someone("c1", "ann", kept), false);
      one.enter(PLACE, someone("c2", "bob", { name: "Bob" }), false);
      await Promise.all(both.map((watcher) => watcher.counts(2)));
      one.leave(PLACE, "c1", said);
      one.leave(PLACE, "c2");
      await Promise.all(both.map((watcher) => watcher.counts(0)));
      for (const { left } of both) {
        expect(left.map(({ info }) => info)).toEqual([merged, '{"name":"Bob"}']);
        expect(left.map(({ connectionId, user }) => [connectionId, user])).toEqual([
          ["c1", "ann"],
          ["c2", "bob"],
        ]);
      }
    });

    test("reports the leave info of the last leave, and none of a present member", async () => {
      const watcher = watch();
      one.enter(PLACE, someone("c1", "", { name: "Ann" }), false);
      await watcher.counts(1);
      one.leave(PLACE, "c1", '{"why":"first"}');
      one.enter(PLACE, { ...someone("c1", "", { name: "Nan" }), joined: 5 }, false);
      one.leave(PLACE, "c1", '{"why":"last"}');
      await watcher.counts(0);
      expect(watcher.left.map(({ info }) => info)).toEqual(['{"name":"Ann","why":"last"}']);

      one.enter(PLACE, someone("c1", "", { name: "Ann" }), false);
      await watcher.counts(1);
      one.leave(PLACE, "c1", '{"why":"left"}');
      one.enter(PLACE, { ...someone("c1", "", { name: "Nan" }), joined: 6 }, false);
      await watcher.until(() => watcher.here[0]?.joined === 6);
      expect(other.members(PLACE)).toEqual([{ ...someone("c1", "", { name: "Nan" }), joined: 6 }]);
      one.leave(PLACE, "c2", '{"why":"was not there"}');
      one.leave(PLACE, "c1");
      await watcher.counts(0);
      expect(watcher.left.slice(1).map(({ info }) => info)).toEqual(['{"name":"Ann","why":"left"}', '{"name":"Nan"}']);
    });

    test("ignores a leave of a session that is not a member", async () => {
      one.enter(PLACE, someone("c1"), false);
      one.leave(PLACE, "c2");
      one.leave({ ...PLACE, topic: "elsewhere" }, "c1");
      await arrived();
      expect([one.count(PLACE), other.count(PLACE)]).toEqual([1, 1]);
      one.leave(PLACE, "c1");
      one.leave(PLACE, "c1");
      await arrived();
      expect([one.count(PLACE), other.count(PLACE)]).toEqual([0, 0]);
    });

    test("lists the members of both nodes, ordered by connection", async () => {
      const both = [watch(one), watch(other)];
      for (const [position, id] of ["d", "a", "c", "b", "e"].entries()) {
        (position % 2 === 0 ? one : other).enter(PLACE, someone(id), false);
        await Promise.all(both.map((watcher) => watcher.counts(position + 1)));
        expect(other.members(PLACE).map(({ connectionId }) => connectionId)).toEqual(
          ["d", "a", "c", "b", "e"].slice(0, position + 1).toSorted(),
        );
      }
      one.leave(PLACE, "c");
      other.leave(PLACE, "b");
      one.enter(PLACE, someone("aa"), false);
      for (const watcher of both) {
        await watcher.until(() => watcher.count === 4 && watcher.toldOf("aa").length > 0);
      }
      for (const presence of [one, other]) {
        expect(presence.members(PLACE).map(({ connectionId }) => connectionId)).toEqual(["a", "aa", "d", "e"]);
      }
    });

    test("counts each user once, and each anonymous client as one", async () => {
      const watcher = watch();
      one.enter(PLACE, someone("c1", "ann"), false);
      expect(one.users(PLACE)).toBe(1);
      one.enter(PLACE, someone("c2", "ann"), false);
      one.enter(PLACE, someone("c3", "bob"), false);
      other.enter(PLACE, someone("c4"), false);
      other.enter(PLACE, someone("c5"), false);
      other.enter(PLACE, someone("c6", "ann"), false);
      await watcher.counts(6);
      expect([other.count(PLACE), other.users(PLACE)]).toEqual([6, 4]);
      one.leave(PLACE, "c1");
      one.leave(PLACE, "c3");
      other.leave(PLACE, "c4");
      await watcher.counts(3);
      expect([other.count(PLACE), other.users(PLACE)]).toEqual([3, 2]);
    });

    test("leaves hidden members out of lists, counts and changes", async () => {
      const watcher = watch();
      one.enter(PLACE, someone("hidden", "ann"), true);
      expect([one.members(PLACE), one.count(PLACE), one.users(PLACE)]).toEqual([[], 0, 0]);
      one.enter(PLACE, someone("shown"), false);
      await watcher.counts(1);
      expect([other.members(PLACE), other.count(PLACE)]).toEqual([[someone("shown")], 1]);
      one.leave(PLACE, "hidden");
      await arrived();
      expect(watcher.told).toEqual([["+shown"]]);
    });

    test("reports a member that hides as leaving, and one that shows itself as joining", async () => {
      const watcher = watch();
      one.enter(PLACE, someone("c1"), true);
      one.enter(PLACE, someone("c1"), false);
      await watcher.counts(1);
      one.enter(PLACE, someone("c1"), true);
      expect(one.count(PLACE)).toBe(0);
      await watcher.counts(0);
      expect(watcher.toldOf("c1")).toEqual(["+c1", "-c1"]);
    });

    test("reports a member that enters again only with another user or other information", async () => {
      const watcher = watch();
      one.enter(PLACE, someone("c1", "ann", { name: "Ann" }), false);
      await watcher.counts(1);
      one.enter(PLACE, { ...someone("c1", "ann", { name: "Ann" }), joined: 5 }, false);
      await arrived();
      expect(watcher.told).toEqual([["+c1"]]);

      one.enter(PLACE, someone("c1", "bob"), false);
      await watcher.until(() => watcher.here[0]?.user === "bob");
      expect(watcher.told).toEqual([["+c1"], ["-c1", "+c1"]]);
      one.enter(PLACE, someone("c1", "bob", { name: "Bob" }), false);
      await watcher.until(() => watcher.here[0]?.info === '{"name":"Bob"}');
      expect([other.count(PLACE), other.users(PLACE)]).toEqual([1, 1]);
      expect(other.members(PLACE)).toEqual([someone("c1", "bob", { name: "Bob" })]);
    });

    test("keeps vhosts, brokers and topics apart", async () => {
      const places = [PLACE, { ...PLACE, vhost: "/b" }, { ...PLACE, broker: "nats" }, { ...PLACE, topic: "rooms" }];
      const watching = places.map((place) => watch(other, place));
      for (const [position, place] of places.entries()) one.enter(place, someone(`c${position}`), false);
      for (const [position, watcher] of watching.entries()) {
        await watcher.counts(1);
        expect(watcher.told).toEqual([[`+c${position}`]]);
      }
      one.leave(PLACE, "c0");
      await watching[0]?.counts(0);
      expect(places.map((place) => other.count(place))).toEqual([0, 1, 1, 1]);
    });

    test("reports changes after the start of a watch to watchers of both nodes, in one report for each turn", async () => {
      one.enter(PLACE, someone("before"), false);
      const own = watch(one);
      await arrived();
      const watcher = watch();
      for (const id of ["c1", "c2", "c3"]) one.enter(PLACE, someone(id), false);
      one.leave(PLACE, "before");
      one.leave(PLACE, "c2");
      expect(own.told).toEqual([]);
      await Promise.all([own.counts(2), watcher.counts(2)]);
      for (const { told } of [own, watcher]) expect(told).toEqual([["-before", "+c1", "+c3"]]);
    });

    test("reports only the remaining changes to a watch that starts while changes wait", async () => {
      one.enter(PLACE, someone("before"), false);
      const first = watch(one);
      one.enter(PLACE, someone("c1"), false);
      const second = watch(one);
      expect(second.here.map(({ connectionId }) => connectionId)).toEqual(["before", "c1"]);
      one.leave(PLACE, "before");
      one.leave(PLACE, "c1");
      one.enter(PLACE, someone("c2"), false);
      await Promise.all([first.has("c2"), second.has("c2")]);
      expect(first.told).toEqual([["-before", "+c2"]]);
      expect(second.told).toEqual([["-before", "-c1", "+c2"]]);
    });

    test("reports neither changes that cancel out nor anything to an ended watch", async () => {
      const ended = watch(one);
      const watcher = watch(one);
      one.enter(PLACE, someone("c1"), false);
      one.leave(PLACE, "c1");
      await arrived();
      expect([ended.told, watcher.told]).toEqual([[], []]);
      one.enter(PLACE, someone("c2"), false);
      ended.end();
      ended.end();
      await watcher.counts(1);
      one.leave(PLACE, "c2");
      await watcher.counts(0);
      expect(ended.told).toEqual([]);
    });

    test("continues for other watchers when a watcher throws", async () => {
      const end = other.watch(PLACE, () => {
        throw new Error("a fault of the watcher");
      });
      const watcher = watch();
      one.enter(PLACE, someone("c1"), false);
      await watcher.counts(1);
      one.leave(PLACE, "c1");
      await watcher.counts(0);
      end();
    });

    test("reports 2,000 members that enter in one turn and leave once each, in few changes", async () => {
      const ids = Array.from({ length: 2_000 }, (_, number) => `c${String(number).padStart(4, "0")}`);
      const watcher = watch();
      for (const id of ids) one.enter(PLACE, someone(id, `user ${id.at(-1)}`), false);
      await watcher.counts(2_000);
      expect(other.members(PLACE).map(({ connectionId }) => connectionId)).toEqual(ids);
      expect(other.users(PLACE)).toBe(10);
      for (const id of ids) one.leave(PLACE, id);
      await watcher.counts(0);
      expect(watcher.told.flat()).toHaveLength(4_000);
      expect(other.members(PLACE)).toEqual([]);
    });
  });
}
