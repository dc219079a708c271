import { parseMediaType } from "../../src/net/media-type.js";

test.each([
  ["application/json", "application/json", {}],
  [" Application/JSON ", "application/json", {}],
  ["application/json;charset=utf-8", "application/json", { charset: "utf-8" }],
  ['application/json ; Charset="UTF-8"', "application/json", { charset: "UTF-8" }],
  ['a/b;x="a;b, \\"c\\\\";y=1', "a/b", { x: 'a;b, "c\\', y: "1" }],
  ["application/json;", "application/json", {}],
  ["application/json; ;; a=b ;", "application/json", { a: "b" }],
  ["application/grpc-web+proto", "application/grpc-web+proto", {}],
])("parses the media type %j", (text, type, parameters) => {
  const parsed = parseMediaType(text);
  expect([parsed?.type, Object.fromEntries(parsed?.parameters ?? [])]).toEqual([type, parameters]);
});

test.each([
  "",
  "json",
  "application/",
  "/json",
  "application/json charset=utf-8",
  "application/json; charset",
  "application/json; charset=",
  'application/json; charset="utf-8',
  'application/json; charset="utf-8"x',
  "application/json, text/plain",
])("rejects %j as a media type", (text) => {
  expect(parseMediaType(text)).toBeUndefined();
});

test("O6: parses very long media types in linear time", () => {
  const begin = performance.now();
  for (const unit of [";", "; ", "; a=b", '; a="', "\\"]) parseMediaType(`a/b${unit.repeat(16_000)}`);
  expect(performance.now() - begin).toBeLessThan(2_000);
});
