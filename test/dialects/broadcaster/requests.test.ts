import { CarillonError, type ErrorCode } from "../../../src/errors.js";
import { authenticated, done, failed, open, RIGHTS, refused } from "./support.js";

const TIME = "2023-11-14T22:13:20.000Z";

function errorText(id: number | undefined, code: string, message: string): string {
  return JSON.stringify({ ...(id === undefined ? {} : { requestId: id }), error: { code, message } });
}

const subscribe = (channel: string) => ({ id: 2, method: "subscribe", params: { channel } });
const publish = (channel: string) => ({ id: 4, method: "publish", params: { channel, event: "e", payload: 1 } });

test("B2: answers with the request's id and either a result or an error", () => {
  const heartbeat = { id: 123, method: "heartbeat" };
  const { answer, command } = done(open(), heartbeat);
  expect(command).toEqual({ kind: "idle" });
  expect(answer).toBe(`{"requestId":123,"result":{"timestamp":"${TIME}"}}`);
  expect(failed(open(), heartbeat, "internal", "internal error")).toBe(errorText(123, "Internal", "internal error"));
});

test.each([undefined, 0, null])(
  "B3: treats a request with the id %j as a notification: answers errors only, without an id",
  (id) => {
    expect(done(open(), { id, method: "heartbeat" }).answer).toBeUndefined();
    expect(failed(open(), { id, method: "heartbeat" }, "internal", "why")).toBe(
      errorText(undefined, "Internal", "why"),
    );
    expect(refused(open(), { id, method: "subscribe" })).toBe(
      errorText(undefined, "InvalidArgument", "missing params"),
    );
  },
);

test.each([
  [{ id: 1, method: "nothing" }, errorText(1, "NotFound", "method not found: nothing")],
  [{ id: 1, method: "Publish", params: {} }, errorText(1, "NotFound", "method not found: Publish")],
  [{ id: 1, method: "constructor" }, errorText(1, "NotFound", "method not found: constructor")],
  [{ id: 1 }, errorText(1, "NotFound", "method not found: ")],
])("B4: refuses an unknown method: %j", (frame, answer) => {
  expect(authenticated().receive(JSON.stringify(frame))).toEqual({ kind: "refused", answer });
});

test.each(["auth", "subscribe", "unsubscribe", "publish"])(
  "B4: refuses %s without params, or with invalid ones",
  (method) => {
    const told = (params: unknown): unknown => refused(authenticated(), { id: 1, method, params });
    expect(told(undefined)).toBe(errorText(1, "InvalidArgument", "missing params"));
    expect(told(null)).toBe(errorText(1, "InvalidArgument", "missing params"));
    for (const params of [[], "c", 1, true, {}, { channel: 1, token: 1 }, { channel: null, token: {} }]) {
      expect(told(params)).toMatch(
        /^\{"requestId":1,"error":\{"code":"InvalidArgument","message":"invalid params: .+"\}\}$/,
      );
    }
  },
);

test.each([
  ["nothing", "", "not a JSON object"],
  ["no JSON", "{", "not a JSON object"],
  ["a list", "[]", "not a JSON object"],
  ["a string", '"heartbeat"', "not a JSON object"],
  ["an id that is a string", '{"id":"1","method":"heartbeat"}', "id is not an integer"],
  ["an id that is not an integer", '{"id":1.5,"method":"heartbeat"}', "id is not an integer"],
])("B5: refuses a frame that is %s", (_what, text, why) => {
  const answer = errorText(undefined, "InvalidArgument", `invalid request: ${why}`);
  expect(open().receive(text)).toEqual({ kind: "malformed", answer });
});

test.each(["9007199254740993", "-1724442618569203714", "1".repeat(400), "1e3", "1.0", "1e999"])(
  "B2: returns the id %.30s as it was sent",
  (id) => {
    const ask = (rest: string) => authenticated().receive(`{"id" : ${id} ,${rest}}`);
    const accepted = ask('"method":"heartbeat"');
    if (accepted.kind !== "command") throw new Error("refused");
    expect(accepted.answer({ ok: true })).toBe(`{"requestId":${id},"result":{"timestamp":"${TIME}"}}`);
    const error = new CarillonError("internal", "why");
    const failure = '"error":{"code":"Internal","message":"why"}';
    expect(accepted.answer({ ok: false, error })).toBe(`{"requestId":${id},${failure}}`);
    for (const rest of ['"method":"nothing"', '"method":7', '"method":"auth"', '"method":"publish","params":[]']) {
      expect(ask(rest).answer).toMatch(`{"requestId":${id},"error":`);
    }
  },
);

test("B5: refuses a method that is not a string, with the request's id", () => {
  const answer = errorText(7, "InvalidArgument", "invalid request: method is not a string");
  expect(open().receive('{"id":7,"method":{}}')).toEqual({ kind: "malformed", answer });
});

test("B6: authenticates once", () => {
  const conversation = open();
  const auth = { id: 1, method: "auth", params: { token: "a.b.c" } };
  expect(failed(conversation, auth, "unauthenticated", "invalid token: expired")).toBe(
    errorText(1, "Unauthenticated", "invalid token: expired"),
  );
  expect(failed(conversation, auth, "invalid_argument", "invalid subject claim")).toBe(
    errorText(1, "InvalidArgument", "invalid subject claim"),
  );
  const { answer, command } = done(conversation, auth, { kind: "identified", user: "eve" });
  expect(command).toEqual({ kind: "authenticate", token: "a.b.c" });
  expect(answer).toBe('{"requestId":1,"result":{"success":true}}');
  const again = errorText(1, "FailedPrecondition", "connection is already authenticated");
  expect(refused(conversation, auth)).toBe(again);
  expect(refused(open(), { ...auth, params: { token: "" } })).toMatch(/"code":"Unauthenticated"/);
});

test("B7: subscribes to a channel", () => {
  const { answer, command } = done(authenticated(), subscribe("c"));
  expect(command).toMatchObject({ kind: "join", broker: "", topics: ["c"], once: false });
  expect(answer).toBe(`{"requestId":2,"result":{"subscriptionId":"n.1","timestamp":"${TIME}"}}`);
  expect(failed(authenticated(), subscribe("c"), "permission_denied", "the backend refuses")).toBe(
    errorText(2, "PermissionDenied", "the backend refuses"),
  );
});

test("B7: checks the requirements of subscribe in this order", () => {
  expect(refused(open(), subscribe(":"))).toBe(errorText(2, "Unauthenticated", "authentication required"));
  const publisher = authenticated({ ...RIGHTS, scope: ["publish"] });
  expect(refused(publisher, subscribe(":"))).toBe(errorText(2, "PermissionDenied", "scope required: subscribe"));
  expect(refused(authenticated(), subscribe(":"))).toBe(errorText(2, "InvalidArgument", "invalid channel"));
  const foreign = "user not authorized to access this channel";
  expect(refused(authenticated(), subscribe("d"))).toBe(errorText(2, "Unauthenticated", foreign));
});

test("B8: refuses a second subscription to a channel", () => {
  const answer = failed(
    authenticated(),
    { id: 2, method: "subscribe", params: { channel: "c" } },
    "already_exists",
    "any text",
  );
  expect(answer).toBe(errorText(2, "AlreadyExists", "connection already subscribed to channel"));
});

test("B8: allows a subscription to channels joined on its behalf, or left", () => {
  const conversation = authenticated();
  const onceOf = (): unknown => (done(conversation, subscribe("c")).command as { once?: unknown }).once;
  expect([onceOf(), onceOf()]).toEqual([false, true]);
  expect(conversation.noticeText({ kind: "left", topics: ["c"] })).toEqual([
    '{"error":{"code":"PermissionDenied","message":"subscription to channel c has ended"}}',
  ]);
  expect([onceOf(), onceOf()]).toEqual([false, true]);
  done(conversation, { id: 3, method: "unsubscribe", params: { channel: "c" } });
  expect(onceOf()).toBe(false);
  expect(conversation.noticeText({ kind: "joined", topics: ["other"] })).toBeUndefined();
  expect((done(conversation, subscribe("other")).command as { once?: unknown }).once).toBe(false);
});

test("B9: unsubscribes with a name alone", () => {
  const unsubscribe = { id: 3, method: "unsubscribe", params: { channel: "c" } };
  const { answer, command } = done(open(), unsubscribe);
  expect(command).toEqual({ kind: "leave", broker: "", topics: ["c"] });
  expect(answer).toBe('{"requestId":3,"result":{"success":true}}');
  const bad = { ...unsubscribe, params: { channel: "a b" } };
  expect(refused(open(), bad)).toBe(errorText(3, "InvalidArgument", "invalid channel"));
});

test("B10: answers a publish with the whole message", () => {
  const frame = { id: 4, method: "publish", params: { channel: "c", event: "e", payload: { a: [1, null, "ü"] } } };
  const { answer, command } = done(authenticated(), frame, { kind: "published", id: "m", time: 1_000 });
  expect(command).toMatchObject({ kind: "publish", broker: "", topics: ["c"], event: "e", trigger: "" });
  expect(answer).toBe(
    '{"requestId":4,"result":{"id":"m","seq":0,"createTime":"1970-01-01T00:00:01.000Z","channel":"c","event":"e","payload":{"a":[1,null,"ü"]}}}',
  );
});

test("B10: checks the requirements of publish in this order", () => {
  expect(refused(open(), publish(":"))).toBe(errorText(4, "Unauthenticated", "authentication required"));
  const reader = authenticated({ ...RIGHTS, scope: ["subscribe"] });
  expect(refused(reader, publish(":"))).toBe(errorText(4, "PermissionDenied", "scope required: publish"));
  expect(refused(authenticated(), publish(":"))).toBe(errorText(4, "InvalidArgument", "invalid channel"));
  const foreign = "user not authorized to access this channel";
  expect(refused(authenticated(), publish("d"))).toBe(errorText(4, "PermissionDenied", foreign));
  const event = { id: 4, method: "publish", params: { channel: "c", event: 1 } };
  expect(refused(authenticated(), event)).toBe(
    errorText(4, "InvalidArgument", "invalid params: event is not a string"),
  );
});

test.each([undefined, null])("B10: reads the event %j as empty", (event) => {
  const frame = { id: 4, method: "publish", params: { channel: "c", event, payload: 1 } };
  const { answer, command } = done(authenticated(), frame);
  expect(command).toMatchObject({ event: "" });
  expect(answer).toContain('"event":"","payload":1');
});

test.each([
  "null",
  "[1, 2]",
  '{"b":1,"1":2}',
  "12345678901234567890",
  "1e999",
  `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
])("B10: passes a payload other than a string on as it was written: %.20s", (payload) => {
  const text = `{"id":4,"method":"publish","params":{"payload":0,"channel":"c","event":"e","payload":${payload} }}`;
  const received = authenticated().receive(text);
  expect(received).toMatchObject({ command: { payload: Buffer.from(payload) } });
});

test("B10: reads an absent payload as null", () => {
  const { command } = done(authenticated(), { id: 4, method: "publish", params: { channel: "c", event: "e" } });
  expect(command).toMatchObject({ payload: Buffer.from("null") });
});

test("B11: answers a heartbeat whatever its params", () => {
  for (const params of [undefined, null, [], "x", { a: 1 }]) {
    expect(done(open(), { id: 1, method: "heartbeat", params }).command).toEqual({ kind: "idle" });
  }
});

test.each<[ErrorCode, string]>([
  ["invalid_argument", "InvalidArgument"],
  ["not_found", "NotFound"],
  ["already_exists", "AlreadyExists"],
  ["failed_precondition", "FailedPrecondition"],
  ["resource_exhausted", "FailedPrecondition"],
  ["permission_denied", "PermissionDenied"],
  ["unauthenticated", "Unauthenticated"],
  ["unavailable", "Internal"],
  ["deadline_exceeded", "Internal"],
  ["cancelled", "Internal"],
  ["unimplemented", "Internal"],
  ["internal", "Internal"],
])("B16: writes the error %s as %s", (code, called) => {
  expect(failed(open(), { id: 1, method: "heartbeat" }, code, "why")).toBe(errorText(1, called, "why"));
});
