import type { StoredMessage } from "../../../src/core/history.js";
import {
  CHAT,
  type HistorySuite,
  historyClass,
  newMessage,
  numbered,
  prepareClasses,
  TestTopic,
  textsOf,
} from "./support.js";

/** Pages of stored messages. */
export const pageSuite: HistorySuite = (world) => {
  async function createTopic(history = CHAT): Promise<TestTopic> {
    await prepareClasses(world(), history);
    return new TestTopic(world(), "room.1", history);
  }

  test("H10: reads the first or the last messages, oldest first, and tells whether there are more", async () => {
    const topic = await createTopic();
    await topic.publishTexts(numbered(5));

    expect(await textsIn(topic, { limit: 2, from: "oldest" })).toEqual([["1", "2"], true]);
    expect(await textsIn(topic, { limit: 2, from: "newest" })).toEqual([["4", "5"], true]);
    for (const from of ["oldest", "newest"] as const) {
      expect(await textsIn(topic, { limit: 4, from })).toEqual([expect.anything(), true]);
      expect(await textsIn(topic, { limit: 5, from })).toEqual([numbered(5), false]);
      expect(await textsIn(topic, { limit: 1_000, from })).toEqual([numbered(5), false]);
      expect(await textsIn(topic, { limit: 0, from })).toEqual([[], true]);
    }
  });

  test("H10: reads every message once in pages from the newest to the oldest", async () => {
    const topic = await createTopic();
    await topic.publishTexts(numbered(10));

    const pages: string[][] = [];
    let before: string | undefined;
    for (let more = true; more; ) {
      const page = await topic.read({ limit: 3, before, from: "newest" });
      pages.unshift(textsOf(page.messages));
      ({ more } = page);
      before = page.messages[0]?.position;
    }

    expect(pages).toEqual([["1"], ["2", "3", "4"], ["5", "6", "7"], ["8", "9", "10"]]);
  });

  test("H10: reads every message once in pages from the oldest to the newest", async () => {
    const topic = await createTopic();
    const empty = (await topic.listen()).position;
    await topic.publishTexts(numbered(10));

    const pages: string[][] = [];
    let after = empty;
    for (let more = true; more; ) {
      const page: { readonly messages: readonly StoredMessage[]; readonly more: boolean } = await topic.read({
        limit: 4,
        after,
      });
      pages.push(textsOf(page.messages));
      ({ more } = page);
      after = page.messages.at(-1)?.position ?? after;
    }

    expect(pages).toEqual([
      ["1", "2", "3", "4"],
      ["5", "6", "7", "8"],
      ["9", "10"],
    ]);
    expect(await topic.read({ after })).toMatchObject({ messages: [], more: false, position: after });
  });

  test("H10: combines the bounds of positions and times", async () => {
    const topic = await createTopic();
    const positions: string[] = [];
    for (const time of [1_000, 2_000, 3_000, 4_000, 5_000]) {
      positions.push((await topic.publish(newMessage(String(time), { time }))).position);
    }
    const [first, second, , fourth] = positions;

    expect(await textsIn(topic, { after: first, before: fourth })).toEqual([["2000", "3000"], false]);
    expect(await textsIn(topic, { after: first, before: fourth, limit: 1 })).toEqual([["2000"], true]);
    expect(await textsIn(topic, { after: fourth, before: first })).toEqual([[], false]);
    expect(await textsIn(topic, { after: second, before: second })).toEqual([[], false]);
    expect(await textsIn(topic, { since: 2_000, until: 4_000 })).toEqual([["2000", "3000", "4000"], false]);
    expect(await textsIn(topic, { since: 2_001, until: 3_999 })).toEqual([["3000"], false]);
    expect(await textsIn(topic, { since: 2_001, limit: 1, from: "newest" })).toEqual([["5000"], true]);
    expect(await textsIn(topic, { since: 2_001, limit: 1, from: "oldest" })).toEqual([["3000"], true]);
    expect(await textsIn(topic, { until: 999 })).toEqual([[], false]);
    expect(await textsIn(topic, { since: 5_001 })).toEqual([[], false]);
    expect(await textsIn(topic, { after: first, until: 2_000 })).toEqual([["2000"], false]);
    expect(await textsIn(topic, { since: 4_000, before: fourth })).toEqual([[], false]);
  });

  test("H10: ends a page before it has too many bytes, but not before its first message", async () => {
    const topic = await createTopic();
    await topic.publishTexts(["a".repeat(300), "b".repeat(500), "c".repeat(200)]);

    const sizes = async (bytes: number, from: "oldest" | "newest") => {
      const { messages, more } = await topic.read({ bytes, from });
      return [messages.map(({ payload }) => payload.length), more];
    };
    expect(await sizes(1_000, "oldest")).toEqual([[300, 500, 200], false]);
    expect(await sizes(999, "oldest")).toEqual([[300, 500], true]);
    expect(await sizes(700, "newest")).toEqual([[500, 200], true]);
    expect(await sizes(1, "oldest")).toEqual([[300], true]);
    expect(await sizes(1, "newest")).toEqual([[200], true]);
  });

  test("H10: reads a topic without messages, and a position from which later messages are recovered", async () => {
    const topic = await createTopic();
    const { messages, more, position } = await topic.read();
    expect({ messages, more }).toEqual({ messages: [], more: false });
    expect(await topic.read({ after: position, from: "newest" })).toMatchObject({ messages: [], more: false });

    await topic.publishTexts(["1"]);

    expect(textsOf((await topic.read({ after: position })).messages)).toEqual(["1"]);
    expect(textsOf((await (await topic.listen()).recover(position)).messages)).toEqual(["1"]);
  });

  test("H10: reads the metadata and the bytes of messages", async () => {
    const topic = await createTopic();
    const payload = Uint8Array.from({ length: 256 }, (_, value) => value);
    const sent = newMessage(payload, { id: "an id, with: signs ä", event: "order.created", sender: "node.1f" });
    const { position } = await topic.publish(sent);

    const [message] = (await topic.read({}, topic.other)).messages;

    const { event, id, sender, time } = sent;
    expect(message).toMatchObject({ event, id, sender, time, position });
    expect(Buffer.from(message?.payload ?? []).equals(payload)).toBe(true);
  });

  test("H10: refuses expired and unknown positions with the reason", async () => {
    const topic = await createTopic(historyClass("few", { messages: 2 }));
    const other = topic.with({ topic: "room.2" });
    const [stranger = ""] = await other.publishTexts(["1"]);
    const [expired = ""] = await topic.publishTexts(numbered(5));

    for (const bound of ["after", "before"]) {
      await expect(topic.read({ [bound]: expired })).rejects.toMatchObject({
        code: "failed_precondition",
        message: expect.stringMatching(/^expired: /) as string,
      });
      for (const position of [stranger, "unknown", "x".repeat(65)]) {
        await expect(topic.read({ [bound]: position })).rejects.toMatchObject({
          code: "failed_precondition",
          message: expect.stringMatching(/^unknown_position: /) as string,
        });
      }
    }
  });

  test("H10: reads vhosts and topics apart", async () => {
    const topic = await createTopic();
    const topics = [topic, topic.with({ topic: "room.1.1" }), topic.with({ topic: "room.*" }), topic.inOtherVhost];
    for (const [index, each] of topics.entries()) await each.publishTexts([`in ${index}`]);

    for (const [index, each] of topics.entries()) {
      expect(textsOf((await each.read()).messages)).toEqual([`in ${index}`]);
    }
  });
};

async function textsIn(topic: TestTopic, query: Parameters<TestTopic["read"]>[0]): Promise<[string[], boolean]> {
  const { messages, more } = await topic.read(query, topic.other);
  return [textsOf(messages), more];
}
