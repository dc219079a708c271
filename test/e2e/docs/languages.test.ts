import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { packageRoot } from "../../../src/util/package-root.js";
import { cleanUp } from "../../support/clean-up.js";
import { connect } from "../../support/clients/native.js";
import { isInstalled } from "../../support/docs/example-runner.js";
import { type LanguageSection, readLanguageSections } from "../../support/docs/language-sections.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { Program } from "../../support/nodes/program.js";

/** Runs each section of docs/languages.md unchanged, in a folder that holds nothing but a copy of the proto files. */

/** Programs that a section's commands use. A section is skipped, with a note in its title, unless all of them are installed. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  Python: ["python3"],
  Go: ["go"],
  Java: ["mvn", "javac"],
  Rust: ["cargo"],
  Ruby: ["ruby", "grpc_tools_ruby_protoc"],
  "C++": ["g++", "protoc", "grpc_cpp_plugin", "pkg-config"],
  PHP: ["php"],
  "C#": ["dotnet"],
};

/** Languages whose sections also publish 1,000 numbered messages over a stream. */
const PUBLISHES_MANY: ReadonlySet<string> = new Set(["Python", "Go"]);

/** Time limit of a section, in milliseconds. A first run downloads and compiles packages, which takes minutes on a small machine. */
const TIMEOUT_MS = 600_000;

const sections = readLanguageSections(readFileSync(join(packageRoot, "docs", "languages.md"), "utf8"));

test("knows the required programs of every language on the page", () => {
  expect(sections.map(({ language }) => language)).toEqual(Object.keys(PROGRAMS));
});

for (const section of sections) {
  const { language } = section;
  const missing = (PROGRAMS[language] ?? []).filter((name) => !isInstalled(name));
  const group = missing.length === 0 ? describe : describe.skip;
  group(`${language}${missing.length === 0 ? "" : ` (skipped: ${missing.join(", ")} not on the PATH)`}`, () => {
    test(
      "R1: publishes by the client of docs/languages.md",
      async () => {
        const node = await startNode();
        const client = await connect(`${node.ws}/ws`);
        await client.join("hello");
        const printed = await runSection(section, node);
        expect(printed).toMatch(/^(?:STAGE_FLUSHED|Flushed)$/m);
        expect(await client.nextText()).toBe(`{"topic":"hello","payload":"Hello from ${language}"}`);
        if (!PUBLISHES_MANY.has(language)) return;
        for (let number = 0; number < 1_000; number += 1) {
          expect((await client.next()).payload).toBe(`${number} from ${language}`);
        }
      },
      TIMEOUT_MS,
    );
  });
}

/** @returns the output of its commands */
async function runSection({ language, steps }: LanguageSection, node: TestNode): Promise<string> {
  const folder = createFolder();
  const real = (text: string): string =>
    text.replaceAll("127.0.0.1:6001", node.grpc).replaceAll("http://127.0.0.1:8080", node.http);
  let printed = "";
  // Writes all files first, because tools expect a complete project and a page explains commands before it shows files.
  for (const step of steps) {
    if (step.kind !== "file") continue;
    const path = join(folder, step.path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, real(step.text));
  }
  for (const step of steps) {
    if (step.kind !== "commands" || !step.needs.every(isInstalled)) continue;
    const program = new Program("sh", ["-ec", `exec 2>&1\n${step.text}`], {
      folder,
      environment: {
        ...process.env,
        // Keeps compiled packages between runs.
        CARGO_TARGET_DIR: join(packageRoot, ".cache", "languages", "cargo"),
        // Compiles in less time without debug information.
        CARGO_PROFILE_DEV_DEBUG: "0",
        CARGO_INCREMENTAL: "0",
      },
    });
    cleanUp(() => program.stop("SIGKILL"));
    const code = await program.gone;
    if (code !== 0) throw new Error(`${language}: the commands exited with ${code}:\n${program.printed}`);
    printed += program.printed;
  }
  return printed;
}

function createFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "carillon-language-"));
  cleanUp(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(packageRoot, "proto"), join(folder, "proto"), { recursive: true });
  // The path of an installation by `npm install @bufbuild/buf`.
  symlinkSync(join(packageRoot, "node_modules"), join(folder, "node_modules"));
  return folder;
}
