import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { temporaryFolder } from "../support/temporary-files.js";

const run = promisify(execFile);

const SCRIPT = `import { deployTools } from "./scripts/lib/deploy-tools.mjs";
  console.log(JSON.stringify(await deployTools()));`;

/** A checkout with the scripts, and a `go` that installs a script under the last part of a module's path. */
function createCheckout(go: string): string {
  const folder = temporaryFolder();
  cpSync(join(__dirname, "../../scripts"), join(folder, "scripts"), { recursive: true });
  mkdirSync(join(folder, "bin"));
  writeFileSync(join(folder, "bin", "go"), `#!/bin/sh\n${go}\n`);
  chmodSync(join(folder, "bin", "go"), 0o755);
  return folder;
}

/** Finds the tools with only the checkout's programs, those of the system and no variables. */
async function findTools(folder: string): Promise<{ env: Record<string, string>; missing: readonly string[] }> {
  const env = { PATH: `${join(folder, "bin")}:/usr/bin:/bin`, HOME: folder };
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", SCRIPT], { cwd: folder, env });
  return JSON.parse(stdout) as { env: Record<string, string>; missing: readonly string[] };
}

test("builds Helm and the checker of Compose files, and finds them afterwards", async () => {
  const folder = createCheckout(`
    [ "$1" = install ] || exit 0
    module=\${2%@*}
    printf '#!/bin/sh\\n' > "$GOBIN/\${module##*/}"
    chmod +x "$GOBIN/\${module##*/}"`);
  const built = await findTools(folder);
  expect(built.missing).toEqual([]);
  expect(built.env["HELM"]).toMatch(/\/\.cache\/helm-[\d.]+\/helm$/);
  expect(built.env["COMPOSE_CHECK"]).toMatch(/\/\.cache\/compose-check-[\d.]+\/compose-check$/);
  writeFileSync(join(folder, "bin", "go"), "#!/bin/sh\nexit 1\n");
  expect(await findTools(folder)).toEqual(built);
});

test("reports the tools that could not be built", async () => {
  const folder = createCheckout('[ "$1" = version ] || { echo "no such module" >&2; exit 1; }');
  const { env, missing } = await findTools(folder);
  expect(env).toEqual({
    HELM_MISSING: "helm could not be built: no such module",
    COMPOSE_CHECK_MISSING: "compose-check could not be built: no such module",
  });
  expect(missing).toHaveLength(2);
});
