import { join } from "node:path";
import { build } from "esbuild";

/** Bundles a program of `test/client/programs/` for a page. */
export async function bundleProgram(name: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(__dirname, "../../client/programs", `${name}.ts`)],
    bundle: true,
    write: false,
    format: "iife",
    target: "es2022",
    define: { "process.env.NODE_ENV": '"development"' },
    tsconfigRaw: {},
    logLevel: "error",
  });
  return outputFiles[0]?.text ?? "";
}
