import type { OnConnectRequest, OnPublishRequest } from "../../../gen/carillon/v1/hook_pb.js";
import { HttpRefusal } from "../../../src/access/hooks/http-refusal.js";
import { CarillonError } from "../../../src/errors.js";
import { BACKENDS, EMPTY } from "./backend.js";
import { CLIENT, CONNECT, hooksAt, JOIN } from "./support.js";

/** Returns the error with which a promise is rejected. */
async function refusal(outcome: Promise<unknown>): Promise<unknown> {
  return outcome.then(
    () => undefined,
    (cause: unknown) => cause,
  );
}

describe.each(BACKENDS)("%s", (_protocol, start) => {
  test("connect: sends the request to the backend, which changes the identity", async () => {
    const backend = await start();
    const { counts, hooks } = hooksAt(backend.url, {}, "s3cret");
    const admitted = hooks.onConnect(CONNECT);
    const { answer, authorization, method, request } = await backend.calls.next();
    expect(method).toBe("OnConnect");
    expect(authorization).toBe("Bearer s3cret");
    expect(request).toMatchObject({
      client: { vhost: "/", connectionId: "node-1", user: "", dialect: "native", address: "192.0.2.1" },
      method: "GET",
      uri: "/ws?meta=1&x=y",
      cookies: { sid: "1", theme: "dark", name: "é +", bad: "%zz" },
      query: { meta: "1", x: "y" },
    });
    expect((request as OnConnectRequest).headers.map(({ name, value }) => `${name}: ${value}`)).toEqual([
      "host: a",
      'cookie: sid=1; theme="dark"; sid=2; odd; name=%C3%A9%20+; bad=%zz',
      "set-cookie: a=1",
      "set-cookie: b=2",
    ]);
    answer({ allow: { user: "bob", info: { vip: true }, topics: ["news"], expires: "2030-01-01T00:00:00.5Z" } });
    expect(await admitted).toEqual({
      user: "bob",
      info: '{"vip":true}',
      topics: ["news"],
      expires: Date.parse("2030-01-01T00:00:00.5Z"),
    });
    expect(counts.calls("connect", "allowed")).toBe(1);
    expect(counts.seconds()["connect"]).toBeGreaterThan(0);
  });

  test("connect: refuses with the backend's status, headers and body", async () => {
    const backend = await start();
    const { counts, hooks } = hooksAt(backend.url);
    const refused = refusal(hooks.onConnect(CONNECT));
    (await backend.calls.next()).answer({
      refuse: {
        status: 402,
        headers: [{ name: "x-why", value: "pay first" }],
        body: Buffer.from("no").toString("base64"),
      },
    });
    const thrown = (await refused) as HttpRefusal;
    expect(thrown).toBeInstanceOf(HttpRefusal);
    expect(thrown).toMatchObject({ status: 402, headers: [["x-why", "pay first"]] });
    expect(Buffer.from(thrown.body).toString()).toBe("no");
    expect(counts.calls("connect", "refused")).toBe(1);
  });

  test("connect: allows for an empty answer, and answers 403 for an empty refusal", async () => {
    const backend = await start();
    const { hooks } = hooksAt(backend.url);
    const admitted = hooks.onConnect(CONNECT);
    (await backend.calls.next()).answer({});
    expect(await admitted).toEqual({ user: undefined, info: undefined, topics: [], expires: undefined });
    const refused = refusal(hooks.onConnect(CONNECT));
    (await backend.calls.next()).answer({ refuse: {} });
    expect(await refused).toMatchObject({ status: 403 });
  });

  test.each([
    ["a status below 400", { status: 200 }],
    ["a header value with a line break", { headers: [{ name: "x", value: "a\r\nset-cookie: b" }] }],
    ["an invalid header name", { headers: [{ name: "x y", value: "" }] }],
    ["a header reserved for the server", { headers: [{ name: "Content-Length", value: "0" }] }],
    ["a body that is too large", { body: Buffer.alloc(70_000).toString("base64") }],
  ])("connect: refused with %s it is refused all the same, though failures are let in", async (_what, refuse) => {
    const backend = await start();
    const { hooks } = hooksAt(backend.url, { on_failure: "allow" });
    const refused = refusal(hooks.onConnect(CONNECT));
    (await backend.calls.next()).answer({ refuse });
    const thrown = await refused;
    expect(thrown).toBeInstanceOf(CarillonError);
    expect(thrown).not.toBeInstanceOf(HttpRefusal);
    expect(thrown).toMatchObject({ code: "permission_denied", message: "refused by the backend" });
  });

  test("O13: keeps info that is given as JSON text", async () => {
    const backend = await start();
    const { hooks } = hooksAt(backend.url);
    const joined = hooks.onJoin(JOIN);
    const infoJson = '{ "id":1724442618569203714, "b":1.10, "1":-0 }';
    (await backend.calls.next()).answer({ allow: { infoJson } });
    expect(await joined).toMatchObject({ info: infoJson });
  });

  test("join and publish: allows, changes, and refuses with the backend's text", async () => {
    const backend = await start();
    const { hooks } = hooksAt(backend.url);
    const joined = hooks.onJoin(JOIN);
    const join = await backend.calls.next();
    expect(join.request).toMatchObject({
      client: {
        user: "ann",
        info: { name: "Ann", tags: ["a", 1, null], id: 1724442618569203700 },
        infoJson: CLIENT.info,
      },
      topics: ["a", "b"],
    });
    join.answer({ allow: { user: "eve", topics: ["c"] } });
    // The identity can only be set at connect.
    expect(await joined).toMatchObject({ user: undefined, topics: ["c"] });

    const published = refusal(hooks.onPublish({ ...JOIN, payload: Buffer.of(0, 255), event: "e" }));
    const publish = await backend.calls.next();
    expect(publish).toMatchObject({ method: "OnPublish", request: { event: "e", broker: "" } });
    expect(Buffer.from((publish.request as OnPublishRequest).payload).toString("hex")).toBe("00ff");
    publish.answer({ refuse: { code: "resource_exhausted", message: "not so fast" } });
    expect(await published).toMatchObject({ code: "resource_exhausted", message: "not so fast" });

    for (const [refuse, expected] of [
      [{}, { code: "permission_denied", message: "refused by the backend" }],
      [
        { code: "no_such_code", message: "m" },
        { code: "permission_denied", message: "m" },
      ],
      [{ code: "ok" }, { code: "permission_denied" }],
      [{ code: "toString" }, { code: "permission_denied" }],
    ] as const) {
      const refused = refusal(hooks.onJoin(JOIN));
      (await backend.calls.next()).answer({ refuse });
      expect(await refused).toMatchObject(expected);
    }
  });

  test.each([
    ["an invalid topic", { topics: ["@a"] }],
    ["an invalid user", { user: "a\nb" }],
    ["too many topics", { topics: Array.from({ length: 1_001 }, (_, position) => `t${position}`) }],
    ["too much info", { info: { text: "x".repeat(20_000) } }],
    ["too much info as JSON", { infoJson: `{"text":"${"x".repeat(20_000)}"}` }],
    ["info that is not JSON", { infoJson: "{" }],
    ["info that is not an object", { infoJson: "[1]" }],
    ["info with a number out of range", { infoJson: '{"a":1e999}' }],
    ["info with half a surrogate pair", { infoJson: '{"a":"\\ud800"}' }],
    ["info in both forms", { info: {}, infoJson: "{}" }],
  ])("an answer with %s is a failure", async (_what, allow) => {
    const backend = await start();
    const { counts, hooks } = hooksAt(backend.url);
    const refused = refusal(hooks.onConnect(CONNECT));
    (await backend.calls.next()).answer({ allow });
    expect(await refused).toMatchObject({ code: "unavailable" });
    expect(counts.calls("connect", "failed")).toBe(1);
  });

  test("counts malformed answers, answers above 1 MiB and errors as failures, and does not reveal their texts", async () => {
    const backend = await start();
    const { counts, hooks, records } = hooksAt(backend.url, { breaker: { failures: 4, pause: 1_000 } });
    for (const bytes of [Buffer.from("ff", "hex"), Buffer.from("{]"), Buffer.alloc(1_100_000, " "), undefined]) {
      const refused = refusal(hooks.onJoin(JOIN));
      const asked = await backend.calls.next();
      if (bytes === undefined) asked.fail();
      else asked.answerBytes(bytes);
      const thrown = await refused;
      expect(thrown).toMatchObject({ code: "unavailable" });
      expect(String(thrown)).not.toContain("secret");
    }
    expect(counts.calls("join", "failed")).toBe(4);
    expect(records).toHaveLength(1);
    expect(EMPTY).toHaveLength(0);
  });

  test("E10: fails a call when the answer has too many fields, and says so to the operator", async () => {
    const backend = await start();
    const { counts, failures, hooks } = hooksAt(backend.url);
    const list = { info: { list: Array.from({ length: 40_000 }, () => 1) } };
    const refused = refusal(hooks.onJoin(JOIN));
    (await backend.calls.next()).answer({ allow: list });
    expect(await refused).toMatchObject({ code: "unavailable" });
    expect(counts.calls("join", "failed")).toBe(1);
    expect(failures).toEqual([expect.stringContaining("the answer cannot be decoded: too many fields")]);
  });

  test("decodes the largest answer: 1,000 topics of 255 bytes, and 16 KiB of numbers as info", async () => {
    const backend = await start();
    const { hooks } = hooksAt(backend.url);
    const topics = Array.from({ length: 1_000 }, (_, position) => `${position}`.padEnd(255, "x"));
    const info = { list: Array.from({ length: 8_000 }, () => 1) };
    const joined = hooks.onJoin(JOIN);
    (await backend.calls.next()).answer({ allow: { topics, info } });
    expect(await joined).toMatchObject({ topics, info: JSON.stringify(info) });
  });

  test("allows with on_failure: allow when the call fails", async () => {
    const backend = await start();
    const { counts, hooks } = hooksAt(backend.url, { on_failure: "allow" });
    const joined = hooks.onJoin(JOIN);
    (await backend.calls.next()).fail();
    expect(await joined).toMatchObject({ topics: [] });
    expect(counts.calls("join", "failed")).toBe(1);
  });

  test("cancels a call whose answer is late", async () => {
    const backend = await start();
    const { clock, counts, hooks } = hooksAt(backend.url);
    const refused = refusal(hooks.onJoin(JOIN));
    const asked = await backend.calls.next();
    clock.advance(1_999);
    expect(counts.calls("join", "late")).toBe(0);
    clock.advance(1);
    expect(await refused).toMatchObject({ code: "unavailable" });
    expect(await backend.cancelled.next()).toBe("OnJoin");
    expect(counts.calls("join", "late")).toBe(1);
    expect(asked.method).toBe("OnJoin");
    expect(clock.timers).toBe(0);
  });

  test("disconnect: notifies the backend without waiting", async () => {
    const backend = await start();
    const { hooks } = hooksAt(backend.url);
    hooks.onDisconnect({ client: CLIENT, code: 1_006, reason: "" });
    const { answer, method, request } = await backend.calls.next();
    expect({ method, request }).toMatchObject({
      method: "OnDisconnect",
      request: { code: 1_006, client: { user: "ann" } },
    });
    answer({});
  });
});

test("fails when the backend is unreachable", async () => {
  for (const [, start] of BACKENDS) {
    const { url } = await start();
    // Nothing listens on port 1 of the loopback interface.
    const { hooks } = hooksAt(url.replace(/:\d+/, ":1"));
    await expect(hooks.onJoin(JOIN)).rejects.toMatchObject({ code: "unavailable" });
  }
});
