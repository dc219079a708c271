import { taskText } from "../../../../src/dialects/webrocket/backend/worker.js";

function textOf(payload: string | Uint8Array, connectionId = "n.1"): string {
  return taskText({ event: "chat/say", payload: Buffer.from(payload), connectionId });
}

test("X20: an object's members, and who has asked", () => {
  expect(textOf('{"a":1}')).toBe('{"chat/say":{"a":1,"sid":"n.1"}}');
  expect(textOf("{}")).toBe('{"chat/say":{"sid":"n.1"}}');
  expect(textOf('{"a":1}', "")).toBe('{"chat/say":{"a":1}}');
  expect(textOf(" { } ", "")).toBe('{"chat/say":{}}');
});

test("X20: nobody says that it is somebody else", () => {
  expect(textOf('{"sid":"me","a":1,"\\u0073id":"me"}')).toBe('{"chat/say":{"a":1,"sid":"n.1"}}');
});

test("X20, D3: what is not an object is a member of one", () => {
  expect(textOf("[1]")).toBe('{"chat/say":{"data":[1],"sid":"n.1"}}');
  expect(textOf("hello", "")).toBe('{"chat/say":{"data":"hello"}}');
  expect(textOf(Uint8Array.of(255), "")).toBe('{"chat/say":{"data":"/w==","encoding":"base64"}}');
});

test("X20: whatever the payload is, it is one line", () => {
  const text = textOf('{\r\n\r\n"a":\n"b\\nc"\r\n\r\n}');
  expect(text).not.toMatch(/[\r\n]/);
  expect(JSON.parse(text)).toEqual({ "chat/say": { a: "b\nc", sid: "n.1" } });
  expect(taskText({ event: 'a"b', payload: Buffer.from("{}"), connectionId: "" })).toBe('{"a\\"b":{}}');
});

test("X20: of any depth, with all digits of its numbers", () => {
  const deep = `{"a":${"[".repeat(100_000)}12345678901234567890${"]".repeat(100_000)}}`;
  expect(textOf(deep, "")).toBe(`{"chat/say":${deep}}`);
});
