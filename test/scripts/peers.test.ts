import { execFile } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { temporaryFolder } from "../support/temporary-files.js";

const run = promisify(execFile);

const root = join(__dirname, "../..");
const FLOOR = "bench/peers/floor.c";

/** A checkout with the scripts, and a `go` that writes down its arguments and installs a program which only has a version. */
class PeerCheckout {
  readonly folder = temporaryFolder();
  readonly #calls = join(this.folder, "calls");

  constructor() {
    cpSync(join(root, "scripts"), join(this.folder, "scripts"), { recursive: true });
    mkdirSync(dirname(join(this.folder, FLOOR)), { recursive: true });
    cpSync(join(root, FLOOR), join(this.folder, FLOOR));
    mkdirSync(join(this.folder, "bin"));
    this.program(
      "go",
      `echo "$*" >> ${this.#calls}\n` +
        `if [ "$1" = install ]; then printf '#!/bin/sh\\necho Centrifugo v0' > "$GOBIN/centrifugo"; chmod +x "$GOBIN/centrifugo"; fi`,
    );
  }

  /** Arguments of each call of `go`. */
  get goCalls(): string[] {
    return existsSync(this.#calls) ? readFileSync(this.#calls, "utf8").trim().split("\n") : [];
  }

  /** Finds the programs to compare with. @param env - further variables */
  async find(mayBuild: boolean, env: NodeJS.ProcessEnv = {}): Promise<Record<string, string>> {
    const script = `import { peerEnvironment } from "./scripts/lib/peers.mjs";
      console.log(JSON.stringify(await peerEnvironment(${mayBuild})));`;
    const { CENTRIFUGO: _, ...others } = process.env;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], {
      cwd: this.folder,
      env: { ...others, PATH: `${join(this.folder, "bin")}:${process.env["PATH"]}`, ...env },
    });
    return JSON.parse(stdout) as Record<string, string>;
  }

  /** Adds a shell script to the PATH. @returns its path */
  program(name: string, text: string): string {
    const path = join(this.folder, "bin", name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  }
}

// Other systems have no /proc, from which the CPU time of other programs is read.
const onLinux = process.platform === "linux" ? describe : describe.skip;

onLinux("the programs of npm run bench -- peers", () => {
  test("builds no Centrifugo when it may not, as in the tests of benchmarks", async () => {
    const checkout = new PeerCheckout();
    expect(await checkout.find(false)).toMatchObject({ CENTRIFUGO_MISSING: "centrifugo 6.9.1 is not built" });
    expect(checkout.goCalls).toEqual([]);
  });

  test("builds the pinned Centrifugo once, and finds it afterwards", async () => {
    const checkout = new PeerCheckout();
    const built = join(checkout.folder, ".cache/centrifugo-6.9.1/centrifugo");
    expect(await checkout.find(true)).toMatchObject({ CENTRIFUGO: built, CENTRIFUGO_VERSION: "Centrifugo v0" });
    expect(checkout.goCalls).toEqual(["version", expect.stringMatching(/^install .*\/centrifugo\/v6@v6\.9\.1$/)]);
    expect(await checkout.find(false)).toMatchObject({ CENTRIFUGO: built });
    expect(checkout.goCalls).toHaveLength(2);
  });

  test("reports why Centrifugo could not be built", async () => {
    const checkout = new PeerCheckout();
    checkout.program("go", `[ "$1" = version ] || { echo "no such module" >&2; exit 1; }`);
    expect(await checkout.find(true)).toMatchObject({
      CENTRIFUGO_MISSING: "centrifugo could not be built: no such module",
    });
  });

  test("takes the program that CENTRIFUGO names, and refuses one that does not run", async () => {
    const checkout = new PeerCheckout();
    const path = checkout.program("mine", "echo Centrifugo v7");
    expect(await checkout.find(true, { CENTRIFUGO: path })).toMatchObject({
      CENTRIFUGO: path,
      CENTRIFUGO_VERSION: "Centrifugo v7",
    });
    await expect(checkout.find(true, { CENTRIFUGO: "/nowhere" })).rejects.toThrow("CENTRIFUGO=/nowhere cannot be run");
    expect(checkout.goCalls).toEqual([]);
  });
});
