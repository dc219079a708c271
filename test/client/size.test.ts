import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const SOURCES = join(__dirname, "../../client/src");

/** Bytes of a program that uses all exports of these entries, as a page loads it: bundled, minified and compressed. */
async function sizeOf(...entries: readonly string[]): Promise<number> {
  const contents = entries.map((entry) => `export * from "./${entry}.ts";`).join("\n");
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: SOURCES, loader: "ts" },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    external: ["react"],
    tsconfigRaw: {},
  });
  return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
}

test("has at most 5 KB in the core, and 8 KB with every part but React", async () => {
  const core = await sizeOf("index");
  const all = await sizeOf("index", "calls", "events", "history", "presence");
  expect(core).toBeGreaterThan(3_000);
  expect(core).toBeLessThanOrEqual(5 * 1_024);
  expect(all).toBeGreaterThan(core);
  expect(all).toBeLessThanOrEqual(8 * 1_024);
});
