import { execFile } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { transform } from "esbuild";
import { packageRoot } from "../../../src/util/package-root.js";
import { type ClientWorld, startNodeWorld } from "../../support/client-library/world.js";
import { readPage } from "../../support/docs/pages.js";
import { findTypeErrors, writeTypeScriptProject } from "../../support/docs/type-check.js";
import { temporaryFolder } from "../../support/temporary-files.js";

/** Runs each example of client/README.md with the built package, and compares its output with the block below it. */

const run = promisify(execFile);

const PAGE = readPage("client/README.md");

const EXAMPLES = [...PAGE.matchAll(/```(tsx?)\n(.*?)```\n\n```text\n(.*?)```/gs)].map(
  ([, language = "", code = "", output = ""]) => ({ language, code, output }),
);

/** Node 20 has no WebSocket. */
const PRELOAD = 'import { WebSocket } from "ws"; globalThis.WebSocket ??= WebSocket;';

/** Renders the component of an example as a server does. */
const RENDER = '\nimport { renderToString } from "react-dom/server"; console.log(renderToString(<Room />));';

async function outputOf({ code, language }: (typeof EXAMPLES)[number], { url }: ClientWorld): Promise<string> {
  const source = code.replaceAll("ws://127.0.0.1:8080/ws", url) + (language === "tsx" ? RENDER : "");
  const program = await transform(source, { loader: language as "ts" | "tsx", jsx: "automatic", format: "esm" });
  const folder = temporaryFolder();
  symlinkSync(join(packageRoot, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "preload.mjs"), PRELOAD);
  writeFileSync(join(folder, "example.mjs"), program.code);
  const { stderr, stdout } = await run(process.execPath, ["--import", "./preload.mjs", "example.mjs"], { cwd: folder });
  expect(stderr).toBe("");
  return stdout;
}

test("has an output below every example", () => {
  expect(EXAMPLES).toHaveLength(PAGE.match(/```tsx?\n/g)?.length ?? 0);
});

/** Uses of a topic that the compiler must accept or reject. */
const TYPED = `
import { createClient } from "carillon-client";
const prices = createClient("/ws").topic("prices", { parse: (data) => ({ eur: Number(data) }) });
prices.on("message", ({ data }) => data.eur.toFixed(2));
void prices.publish({ eur: 4.2 });
// @ts-expect-error The data has no such member.
prices.on("message", ({ data }) => data.usd);
// @ts-expect-error The data has another type.
void prices.publish({ eur: "4.20" });
`;

test("has examples without type errors, and types from parse", async () => {
  const examples = EXAMPLES.map(({ code, language }, index) => [`example-${index}.${language}`, code] as const);
  const folder = writeTypeScriptProject([...examples, ["typed.ts", TYPED]]);
  expect(await findTypeErrors(folder)).toBe("");
});

test.each(EXAMPLES.map((example) => [PAGE.slice(0, PAGE.indexOf(example.code)).split("\n").length, example] as const))(
  "runs the example at line %d",
  async (_line, example) => {
    const world = await startNodeWorld();
    await world.answerCalls("add", (payload) => {
      const [one = 0, other = 0] = JSON.parse(payload) as number[];
      return [String(one + other)];
    });
    expect(await outputOf(example, world)).toBe(example.output);
  },
);
