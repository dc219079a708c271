import fc from "fast-check";
import type { Message } from "../../../src/core/message.js";
import { topicProblem } from "../../../src/core/topic-name.js";
import { toSubject } from "../../../src/nats/broker/subject.js";
import { connectNats } from "../../support/nats/client.js";
import { startNatsDriver } from "../../support/nats/driver.js";
import { startNats } from "../../support/nats/server.js";
import { Queue } from "../../support/queue.js";

/** Inverse of rule N1, implemented independently of the source. */
function topicOf(prefix: string, subject: string): { vhost: string; topic: string } {
  expect(subject.startsWith(`${prefix}.`)).toBe(true);
  const [vhostToken = "", ...tokens] = subject.slice(prefix.length + 1).split(".");
  const vhost = vhostToken === "_" ? "/" : `/${decodeURIComponent(vhostToken)}`;
  return { vhost, topic: decodeURIComponent(tokens.join(".")) };
}

/** Generates names with many characters that are special in NATS or percent-encoding, and any others of Unicode. */
const character = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(".", "*", ">", "%", "_", "/", "$", "@", '"', "\\", "'") },
  { weight: 2, arbitrary: fc.constantFrom("%2E", "%2e", "%5F", "%", "2", "E", "a", "A") },
  { weight: 2, arbitrary: fc.constantFrom("ä", "a\u0308", "💥", "\u200b", "\u{e0001}", "\ufffd", "\u00ad") },
  { weight: 2, arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 1 }) },
);
const topicName = fc
  .array(character, { minLength: 1, maxLength: 12 })
  .map((characters) => characters.join(""))
  .filter((name) => topicProblem(name) === undefined);
const vhostName = fc
  .array(character, { maxLength: 6 })
  .map((characters) => `/${characters.join("").replaceAll(/[\p{White_Space}\p{Cc}]/gu, "")}`);

const EXAMPLES: [string, string][] = [
  ["/", "."],
  ["/", ".."],
  ["/", "a."],
  ["/", ".a"],
  ["/", "a...b"],
  ["/", "*"],
  ["/", ">"],
  ["/", "a.*.b.>"],
  ["/", "%"],
  ["/", "%2E"],
  ["/_", "_"],
  ["/%5F", "a"],
  ["/a.b", "c"],
  ["/a", "b.c"],
  ["//", "a"],
];

test("N1: restores vhost and topic from a subject", () => {
  fc.assert(
    fc.property(vhostName, topicName, (vhost, topic) => {
      expect(topicOf("carillon", toSubject("carillon", vhost, topic))).toEqual({ vhost, topic });
    }),
    { numRuns: 2_000, examples: EXAMPLES },
  );
});

test("N1: maps different topics to different subjects", () => {
  const place = fc.tuple(vhostName, topicName);
  fc.assert(
    fc.property(place, place, (one, other) => {
      const same = one[0] === other[0] && one[1] === other[1];
      expect(toSubject("p", ...one) === toSubject("p", ...other)).toBe(same);
    }),
    { numRuns: 2_000, examples: EXAMPLES.flatMap((one) => EXAMPLES.map((other) => [one, other] as const)) as never },
  );
});

test("N1: creates valid subjects: no empty tokens, wildcards or white space", () => {
  fc.assert(
    fc.property(
      vhostName.filter((vhost) => vhost.length > 1),
      topicName,
      (vhost, topic) => {
        const tokens = toSubject("carillon", vhost, topic).split(".");
        expect(tokens.length).toBeGreaterThanOrEqual(3);
        for (const token of tokens) expect(token).toMatch(/^[^\s*>\p{Cc}]+$/u);
      },
    ),
    { numRuns: 2_000, examples: EXAMPLES },
  );
});

test.each([
  ["/", "orders.42", "carillon._.orders.42"],
  ["/", "a:b/c@d", "carillon._.a:b/c@d"],
  ["/", "grüße", "carillon._.grüße"],
  ["/", "a*b", "carillon._.a%2Ab"],
  ["/", "a.>", "carillon._.a.%3E"],
  ["/", "100%", "carillon._.100%25"],
  ["/", ".a..b.", "carillon._.%2Ea.%2Eb%2E"],
  ["/", "...", "carillon._.%2E%2E%2E"],
  ["/shop", "a", "carillon.shop.a"],
  ["/shop.eu/v1", "a", "carillon.shop%2Eeu%2Fv1.a"],
  ["/_", "a", "carillon.%5F.a"],
])("N1: in vhost %s, maps topic %s to subject %s", (vhost, topic, subject) => {
  expect(toSubject("carillon", vhost, topic)).toBe(subject);
});

test("N1: publishes on every subject of a real server, where a plain client reaches exactly its topic", async () => {
  const sample = fc.sample(
    fc.tuple(
      vhostName.filter((vhost) => vhost !== "/"),
      topicName,
    ),
    { numRuns: 300, seed: 7 },
  );
  const places = [...EXAMPLES, ...sample, ...sample.map(([, topic]) => ["/", topic] as const)];
  const distinct = [...new Map(places.map((place) => [JSON.stringify(place), place])).values()];
  const server = await startNats();
  const { driver, errors } = await startNatsDriver({ servers: [server.url] });
  const plain = await connectNats(server, { pedantic: true });
  const received = new Queue<string>();
  for (const [vhost, topic] of distinct) {
    driver.subscribe(vhost, topic, {
      deliver({ payload }: Message) {
        received.push(JSON.stringify([vhost, topic, Buffer.from(payload).toString()]));
      },
    });
  }
  await driver.settle();

  for (const [position, [vhost, topic]] of distinct.entries()) {
    plain.publish(toSubject("carillon", vhost, topic), Buffer.from(String(position)));
  }
  await plain.flush();
  await driver.settle();

  expect(received.unread).toEqual(
    distinct.map(([vhost, topic], position) => JSON.stringify([vhost, topic, String(position)])),
  );
  expect(errors.unread).toEqual([]);
});
