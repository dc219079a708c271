import type { Present } from "../../../src/core/notice.js";
import type { Conversation, Received, Texts } from "../../../src/dialects/dialect.js";
import { WebrocketDialect } from "../../../src/dialects/webrocket/dialect.js";
import { CarillonError, type ErrorCode } from "../../../src/errors.js";

const ID = "0123456789ab.1";
const SID = "01234567-89ab-8000-8000-000000000001";

function open(): Conversation {
  return new WebrocketDialect().open({ query: new URLSearchParams(), connectionId: ID });
}

function received(conversation: Conversation, frame: object): Received & { readonly kind: "command" } {
  const said = conversation.receive(JSON.stringify(frame));
  if (said.kind !== "command") throw new Error(`no command: ${JSON.stringify(said)}`);
  return said;
}

function refused(frame: object, code: ErrorCode): Texts {
  const conversation = open();
  received(conversation, { auth: { token: "t" } }).answer({ ok: true, result: { kind: "identified", user: "eve" } });
  return received(conversation, frame).answer({ ok: false, error: new CarillonError(code, "a secret of the server") });
}

function told(code: number, status: string): string {
  return JSON.stringify({ ":error": { code, status } });
}

const FRAMES = {
  auth: { auth: { token: "t" } },
  subscribe: { subscribe: { channel: "c" } },
  unsubscribe: { unsubscribe: { channel: "c" } },
  broadcast: { broadcast: { channel: "c", event: "e" } },
  trigger: { trigger: { event: "w/e" } },
  close: { close: {} },
};

describe("X12: refusals", () => {
  const [bad, unauthorized, forbidden] = [told(400, "Bad request"), told(402, "Unauthorized"), told(403, "Forbidden")];
  const notSubscribed = told(453, "Not subscribed");
  const [notFound, unavailable] = [told(454, "Channel not found"), told(503, "Service unavailable")];
  const fault = told(597, "Internal error");
  const usual = {
    invalid_argument: bad,
    unimplemented: bad,
    unauthenticated: unauthorized,
    permission_denied: forbidden,
    failed_precondition: notSubscribed,
    not_found: notFound,
    unavailable,
    resource_exhausted: unavailable,
    deadline_exceeded: unavailable,
    cancelled: fault,
    internal: fault,
  };

  test.each([
    [
      "auth",
      {
        ...usual,
        invalid_argument: unauthorized,
        permission_denied: unauthorized,
        failed_precondition: unauthorized,
        not_found: unauthorized,
      },
    ],
    ["subscribe", { ...usual, invalid_argument: notFound, already_exists: undefined }],
    ["unsubscribe", usual],
    ["broadcast", usual],
    ["trigger", { ...usual, not_found: unavailable }],
    ["close", usual],
  ] as const)("%s", (event, answers) => {
    for (const [code, answer] of Object.entries(answers)) {
      expect([code, refused(FRAMES[event], code as ErrorCode)]).toEqual([code, answer]);
    }
  });

  test("answers nothing to a heartbeat", () => {
    expect(refused({ pong: { sid: SID } }, "resource_exhausted")).toBeUndefined();
  });
});

test("X1: writes the server's own events", () => {
  const conversation = open();
  expect(conversation.greeting).toBe(`{":connected":{"sid":"${SID}"}}`);
  expect(conversation.pingText).toBe('{":ping":{}}');
  expect(conversation.noticeText({ kind: "unwatched", topics: ["presence-room"] })).toBeUndefined();
  expect(conversation.encoding.laggedText("open", 3)).toBeUndefined();
});

test("X3: reads the protocol's commands", () => {
  const conversation = open();
  expect(received(conversation, { auth: { token: "t" } }).command).toEqual({
    kind: "authenticate",
    token: "t",
    switchUser: false,
  });
  const join = { kind: "join", broker: "", auth: undefined, group: undefined, once: true };
  expect(
    received(conversation, { subscribe: { channel: "presence-c", data: { a: 1 }, hidden: true } }).command,
  ).toEqual({
    ...join,
    topics: ["presence-c"],
    hidden: true,
    presence: true,
    info: '{"a":1}',
    listed: true,
  });
  expect(received(conversation, { subscribe: { channel: "private-c" } }).command).toEqual({
    ...join,
    topics: ["private-c"],
    hidden: false,
    presence: undefined,
    info: "{}",
    listed: false,
  });
  expect(received(conversation, { pong: {} }).command).toEqual({ kind: "idle" });
});

function commandOf(text: string) {
  const decoded = open().receive(text);
  if (decoded.kind !== "command") throw new Error("refused");
  return decoded.command;
}

test("X9, O13: keeps the text of a member's data", () => {
  const data = '{ "id":1724442618569203714, "b":1.10, "1":-0, "b":"\\u00e9" }';
  const channel = '"channel":"presence-c"';
  expect(commandOf(`{"subscribe":{"data":1,${channel},"data" : ${data} }}`)).toMatchObject({ info: data });
  expect(commandOf(`{"unsubscribe":{"data":${data},${channel}}}`)).toMatchObject({ leaveInfo: data });
  expect(commandOf(`{"close": ${data} }`)).toMatchObject({ leaveInfo: data });
});

test.each(["1e999", '"\\ud800"', `${"[".repeat(30)}${"]".repeat(30)}`])(
  "X9: refuses member data that not every dialect can carry: %s",
  (value) => {
    const subscribe = `{"subscribe":{"channel":"presence-c","data":{"a":${value}}}}`;
    expect(open().receive(subscribe)).toEqual({ kind: "refused", answer: told(400, "Bad request") });
  },
);

test("X2: may switch the user after a success, but not after a refusal", () => {
  const conversation = open();
  const auth = () => received(conversation, FRAMES.auth);
  auth().answer({ ok: false, error: new CarillonError("unauthenticated", "unknown") });
  expect(auth().command).toMatchObject({ switchUser: false });
  auth().answer({ ok: true, result: { kind: "identified", user: undefined } });
  expect(auth().command).toMatchObject({ switchUser: true });
});

test("X3, X5, X6: reads null as absent", () => {
  const conversation = open();
  received(conversation, FRAMES.auth).answer({ ok: true, result: { kind: "identified", user: "eve" } });
  const subscribe = { channel: "presence-c", data: null, hidden: null };
  expect(received(conversation, { subscribe }).command).toMatchObject({ info: {}, hidden: false });
  const unsubscribe = { channel: "presence-c", data: null };
  expect(received(conversation, { unsubscribe }).command).toMatchObject({ leaveInfo: {} });
  const broadcast = { channel: "c", event: "e", data: null, trigger: null };
  expect(received(conversation, { broadcast }).command).toMatchObject({ payload: Buffer.from("{}"), trigger: "" });
  const trigger = { event: "w/e", data: null };
  expect(received(conversation, { trigger }).command).toMatchObject({ payload: Buffer.from("{}") });
});

test.each([[[1]], ["text"], [7], [true]])("X3 to X6: ignores data other than an object: %j", (data) => {
  const conversation = open();
  received(conversation, FRAMES.auth).answer({ ok: true, result: { kind: "identified", user: "eve" } });
  expect(received(conversation, { subscribe: { channel: "c", data } }).command).toMatchObject({ info: {} });
  expect(received(conversation, { unsubscribe: { channel: "c", data } }).command).toMatchObject({ leaveInfo: {} });
  const payload = Buffer.from("{}");
  expect(received(conversation, { broadcast: { channel: "c", event: "e", data } }).command).toMatchObject({ payload });
  expect(received(conversation, { trigger: { event: "w/e", data } }).command).toMatchObject({ payload });
});

test("X5, X6: refuses events that begin with a colon", () => {
  const conversation = open();
  received(conversation, FRAMES.auth).answer({ ok: true, result: { kind: "identified", user: "eve" } });
  const refusal = { kind: "refused", answer: told(400, "Bad request") };
  for (const frame of [
    { trigger: { event: ":memberJoined" } },
    { broadcast: { channel: "c", event: "e", trigger: ":e" } },
  ]) {
    expect(conversation.receive(JSON.stringify(frame))).toEqual(refusal);
  }
});

function present(number: number, info: object = {}): Present {
  return { connectionId: `${number}`, user: `u${number}`, info: JSON.stringify(info) };
}

/** Returns the frame that a joining client receives, with these members present. */
function listed(members: readonly Present[], more = false): Record<string, unknown> {
  const subscribe = { channel: "presence-c", hidden: true };
  const text = received(open(), { subscribe }).answer({ ok: true, result: { kind: "otherMembers", members, more } });
  if (typeof text !== "string") throw new Error("no answer");
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual((256 << 10) + 200);
  return (JSON.parse(text) as { readonly ":subscribed": Record<string, unknown> })[":subscribed"];
}

describe("X3: present members", () => {
  test("are listed with their info, except for its uid", () => {
    const members = [present(1, { uid: "forged", name: "Änn" }), present(2)];
    const subscribers = [{ uid: "u1", name: "Änn" }, { uid: "u2" }];
    for (let time = 0; time < 2; time += 1) {
      expect(listed(members)).toEqual({ channel: "presence-c", uid: "", subscribers });
    }
    expect(listed(members, true)).toEqual({ channel: "presence-c", uid: "", subscribers, more: true });
  });

  test("are at most 256 KiB, in bytes", () => {
    for (const [pad, most] of [
      ["x", 64],
      ["ä", 32],
    ] as const) {
      const members = Array.from({ length: 100 }, (_, number) => present(number, { pad: pad.repeat(4_060) }));
      const { more, subscribers } = listed(members);
      expect([(subscribers as unknown[]).length, more]).toEqual([most, true]);
      expect(listed(members.slice(0, most))["more"]).toBeUndefined();
    }
  });
});

test("X8: reports a leave before a return as another user", () => {
  const member = { connectionId: ID, info: "{}" };
  const change = {
    topic: "presence-c",
    count: 1,
    joined: [{ ...member, user: "b" }],
    left: [{ ...member, user: "a" }],
  };
  expect(open().encoding.presenceText(change)).toEqual([
    '{":memberLeft":{"uid":"a","channel":"presence-c"}}',
    '{":memberJoined":{"uid":"b","channel":"presence-c"}}',
  ]);
});

test("X6: requires authentication for workers, whatever the vhost allows", () => {
  const conversation = open();
  const broadcast = { broadcast: { channel: "c", event: "e", trigger: "w/e" } };
  const refusal = { kind: "refused", answer: told(403, "Forbidden") };
  for (const frame of [FRAMES.trigger, broadcast]) expect(conversation.receive(JSON.stringify(frame))).toEqual(refusal);
  const unknown = new CarillonError("unauthenticated", "unknown");
  received(conversation, FRAMES.auth).answer({ ok: false, error: unknown });
  expect(conversation.receive(JSON.stringify(FRAMES.trigger))).toEqual(refusal);
  received(conversation, FRAMES.auth).answer({ ok: true, result: { kind: "identified", user: undefined } });
  for (const frame of [FRAMES.trigger, broadcast]) expect(received(conversation, frame).kind).toBe("command");
});
