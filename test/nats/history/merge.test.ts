import fc from "fast-check";
import { END, Member } from "../../contract/history/member.js";
import { CHAT, newMessage, numbered, prepareClasses, TestTopic, textsOf } from "../../contract/history/support.js";
import { startNatsDriver } from "../../support/nats/driver.js";
import { type Fate, LossyProxy } from "../../support/nats/lossy-proxy.js";
import { startJetStream } from "../../support/nats/store.js";

const MESSAGES = 40;

/** Fates of the messages, and the numbers of messages after which members join; with a rewind or a recovery. */
const scripts = fc.record({
  fates: fc.array(
    fc.oneof(
      { weight: 5, arbitrary: fc.constant<Fate>("arrives") },
      { weight: 3, arbitrary: fc.constantFrom<Fate>("lost", "twice", "late") },
    ),
    { minLength: 10, maxLength: MESSAGES },
  ),
  joins: fc.array(
    fc.record({
      after: fc.integer({ min: 0, max: MESSAGES }),
      rewind: fc.option(fc.integer({ min: 0, max: 10 }), { nil: undefined }),
      from: fc.integer({ min: 0, max: MESSAGES }),
    }),
    { minLength: 1, maxLength: 6 },
  ),
});

test("H2, N14: gives members every message once, in the stored order, whatever is lost, repeated or late on the way", async () => {
  const server = await startJetStream();
  const proxy = new LossyProxy();
  const url = await proxy.start(server.port);
  const { driver: publisher } = await startNatsDriver({ servers: [server.url] });
  const { driver } = await startNatsDriver({ servers: [url] });
  const world = { drivers: [publisher, driver], outlive: () => Promise.resolve() } as const;
  await prepareClasses(world, CHAT);
  let runs = 0;
  let recovered = 0;
  await fc.assert(
    fc.asyncProperty(scripts, async ({ fates, joins }) => {
      runs += 1;
      const topic = new TestTopic(world, `room.${runs}`);
      const first = await topic.listen(driver);
      const positions = [first.position];
      proxy.follow(fates);
      const joining: Promise<Member>[] = [];
      const starts: (string | undefined)[] = [];
      for (const [index, text] of numbered(MESSAGES).entries()) {
        for (const { after, from, rewind } of joins) {
          if (after !== index) continue;
          const position = positions[from % positions.length] ?? "";
          const start = { kind: "after", position } as const;
          const latest = { kind: "latest", limit: rewind ?? 0, since: undefined } as const;
          starts.push(rewind === undefined ? position : undefined);
          joining.push(Member.join(topic, driver, rewind === undefined ? start : latest));
        }
        positions.push((await topic.publish(newMessage(text))).position);
      }
      const members = await Promise.all(joining);
      proxy.follow([]);
      await topic.publish(newMessage(END));

      const stored = textsOf((await topic.read()).messages);
      expect(stored).toEqual([...numbered(MESSAGES), END]);
      expect(textsOf(await first.until(END))).toEqual(stored);
      for (const [index, member] of members.entries()) {
        const received = await member.texts();
        const start = starts[index];
        // A store that is slow to answer may end a recovery, but only with the reason.
        expect([undefined, "unavailable"]).toContain(member.failure);
        const isWhole = start !== undefined && member.failure === undefined;
        if (isWhole) recovered += 1;
        const count = isWhole ? stored.length - positions.indexOf(start) : received.length;
        expect(received).toEqual(stored.slice(-count));
      }
      first.subscription.close();
    }),
    { numRuns: 12 },
  );
  expect(recovered).toBeGreaterThan(0);
  for (const fate of ["lost", "twice", "late"] as const) expect(proxy.fates[fate]).toBeGreaterThan(0);
  expect(driver.history.counts.gaps).toBeGreaterThan(0);
});
