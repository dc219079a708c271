import { taskText } from "../../../../src/dialects/webrocket/backend/worker.js";

function textOf(payload: string | Uint8Array, connectionId = "n.1"): string {
  return taskText({ event: "chat/say", payload: Buffer.from(payload), connectionId });
}

test("X20: writes an object's members and the caller", () => {
  expect(textOf('{"a":1}')).toBe('{"chat/say":{"a":1,"sid":"n.1"}}');
  expect(textOf("{}")).toBe('{"chat/say":{"sid":"n.1"}}');
  expect(textOf('{"a":1}', "")).toBe('{"chat/say":{"a":1}}');
  expect(textOf(" { } ", "")).toBe('{"chat/say":{}}');
});

test("X20: replaces a caller's own sid", () => {
  expect(textOf('{"sid":"me","a":1,"\\u0073id":"me"}')).toBe('{"chat/say":{"a":1,"sid":"n.1"}}');
});

test("X20, D3: writes a payload other than an object as a member", () => {
  expect(textOf("[1]")).toBe('{"chat/say":{"data":[1],"sid":"n.1"}}');
  expect(textOf("hello", "")).toBe('{"chat/say":{"data":"hello"}}');
  expect(textOf(Uint8Array.of(255), "")).toBe('{"chat/say":{"data":"/w==","encoding":"base64"}}');
});

test("X20: writes any payload on one line", () => {
  const text = textOf('{\r\n\r\n"a":\n"b\\nc"\r\n\r\n}');
  expect(text).not.toMatch(/[\r\n]/);
  expect(JSON.parse(text)).toEqual({ "chat/say": { a: "b\nc", sid: "n.1" } });
  expect(taskText({ event: 'a"b', payload: Buffer.from("{}"), connectionId: "" })).toBe('{"a\\"b":{}}');
});

test("X20: keeps any depth and all digits of numbers", () => {
  const deep = `{"a":${"[".repeat(100_000)}12345678901234567890${"]".repeat(100_000)}}`;
  expect(textOf(deep, "")).toBe(`{"chat/say":${deep}}`);
});
