import { readdirSync } from "node:fs";
import { join } from "node:path";
import { BACKEND_ACTIONS } from "../../../src/access/decide/actions.js";
import { MAX_TOPIC_BYTES } from "../../../src/core/topic-name.js";
import { WEBSOCKET_CLOSE } from "../../../src/errors.js";
import { toSubject } from "../../../src/nats/broker/subject.js";
import { packageRoot } from "../../../src/util/package-root.js";
import { ACKNOWLEDGE_WITHIN } from "../../../src/workers/cluster-dispatch.js";
import { MAX_ATTEMPTS } from "../../../src/workers/limits.js";
import { docsPages, joinLines, readPage, sectionOf } from "../../support/docs/pages.js";

/** Compares constants and names in docs/ with the source. */

const NUMBERS: readonly string[] = ["no", "one", "two", "three", "four", "five"];

test("lists every close code of a node in docs/listening.md", () => {
  const table = sectionOf(readPage("docs/listening.md"), "When the connection ends");
  const listed = [...table.matchAll(/^\| ([\d, ]+) \|/gm)].flatMap(([, codes = ""]) => codes.split(", ").map(Number));
  expect(listed).toEqual(expect.arrayContaining(Object.values(WEBSOCKET_CLOSE).map(([code]) => code)));
});

test("lists every action of backends in docs/access.md", () => {
  const table = sectionOf(readPage("docs/access.md"), "Keys for backends");
  const listed = [...table.matchAll(/^\| `([\w*]+)` \|/gm)].map(([, action]) => action);
  expect(listed).toEqual([...BACKEND_ACTIONS, "*"]);
});

test("lists the subjects of topics in docs/nats.md", () => {
  const rows = [...readPage("docs/nats.md").matchAll(/^\| `(\S+)`(?: in vhost `(\S+)`)? \| `([^`]+)`/gm)];
  const subjects = rows.filter(([, , , subject = ""]) => subject.startsWith("carillon."));
  expect(subjects.length).toBe(3);
  for (const [, topic = "", vhost = "/", subject] of subjects)
    expect(toSubject("carillon", vhost, topic)).toBe(subject);
});

test.each([
  ["docs/workers.md", `does not acknowledge it within ${ACKNOWLEDGE_WITHIN / 1_000} s`],
  ["docs/workers.md", `at most ${NUMBERS[MAX_ATTEMPTS]} times in all`],
  ["docs/publishing.md", `up to ${MAX_TOPIC_BYTES} bytes each`],
])("states the actual value in %s: %j", (page, fact) => {
  expect(joinLines(readPage(page))).toContain(fact);
});

test("names only service methods of the proto files", () => {
  const folder = join("proto", "carillon", "v1");
  const protos = readdirSync(join(packageRoot, folder)).map((file) => readPage(join(folder, file)));
  const methods = [...protos, readPage("proto/websockets/v1/websockets.proto")].flatMap((proto) => {
    const service = /^service (\w+)/m.exec(proto)?.[1] ?? "";
    return [...proto.matchAll(/^ {2}rpc (\w+)/gm)].map(([, method]) => `${service}/${method}`);
  });
  const named = ["README.md", ...docsPages()].flatMap((page) =>
    [...readPage(page).matchAll(/\b([A-Z]\w+Service)[/.]([A-Z]\w+)/g)].map(
      ([, service, method]) => `${service}/${method}`,
    ),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((method) => !methods.includes(method))).toEqual([]);
});
