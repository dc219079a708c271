import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { temporaryFolder } from "../support/temporary-files.js";

const run = promisify(execFile);

const root = join(__dirname, "../..");

interface Output {
  readonly code: number;
  readonly text: string;
}

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses?: readonly unknown[];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly "bom-ref": string;
}

interface Sbom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** A checkout of version 1.2.3 whose next version has changes. */
class ReleaseCheckout {
  readonly folder = temporaryFolder();

  private constructor() {
    cpSync(join(root, "scripts"), join(this.folder, "scripts"), { recursive: true });
    mkdirSync(join(this.folder, "client"));
    const version = "1.2.3";
    this.write("package.json", { name: "carillon", version });
    this.write("client/package.json", { name: "carillon-client", version });
    this.write("package-lock.json", { version, packages: { "": { version }, client: { version } } });
    writeFileSync(
      join(this.folder, "README.md"),
      "This is version 1.2.3, which is not released yet\n([changes](CHANGELOG.md)).\n",
    );
    writeFileSync(
      join(this.folder, "CHANGELOG.md"),
      "# Changelog\n\n## 1.3.0 (unreleased)\n\n- New\n\n## 1.2.3 (2026-01-31)\n",
    );
  }

  static async create(): Promise<ReleaseCheckout> {
    const checkout = new ReleaseCheckout();
    await checkout.git("init", "--quiet");
    await checkout.commit();
    return checkout;
  }

  git(...args: readonly string[]) {
    return run("git", ["-c", "user.name=a", "-c", "user.email=a@example.com", ...args], { cwd: this.folder });
  }

  async commit(): Promise<void> {
    await this.git("add", "--all");
    await this.git("commit", "--quiet", "--message", "All");
  }

  write(file: string, value: object): void {
    writeFileSync(join(this.folder, file), `${JSON.stringify(value, undefined, 2)}\n`);
  }

  read(file: string): string {
    return readFileSync(join(this.folder, file), "utf8");
  }

  release(...args: readonly string[]): Promise<Output> {
    return run(process.execPath, ["scripts/release.mjs", ...args], { cwd: this.folder }).then(
      ({ stderr, stdout }) => ({ code: 0, text: stdout + stderr }),
      ({ code, stderr, stdout }: { readonly code: number; readonly stdout: string; readonly stderr: string }) => ({
        code,
        text: stdout + stderr,
      }),
    );
  }
}

async function readSbom(name: string): Promise<Sbom> {
  const options = { cwd: root, maxBuffer: 16 << 20 };
  const { stdout } = await run(process.execPath, ["scripts/release.mjs", "sbom", name], options);
  return JSON.parse(stdout) as Sbom;
}

test("prepares a release: sets the version everywhere, and dates its changes", async () => {
  const checkout = await ReleaseCheckout.create();
  const { code, text } = await checkout.release("prepare", "1.3.0");
  expect([code, text]).toEqual([0, expect.stringContaining("tag the commit with v1.3.0")]);
  for (const file of ["package.json", "client/package.json"])
    expect(JSON.parse(checkout.read(file))).toMatchObject({ version: "1.3.0" });
  expect(JSON.parse(checkout.read("package-lock.json"))).toEqual({
    version: "1.3.0",
    packages: { "": { version: "1.3.0" }, client: { version: "1.3.0" } },
  });
  expect(checkout.read("README.md")).toBe("This is version 1.3.0\n([changes](CHANGELOG.md)).\n");
  expect(checkout.read("CHANGELOG.md")).toMatch(
    /^## 1\.3\.0 \(20\d\d-\d\d-\d\d\)\n\n- New\n\n## 1\.2\.3 \(2026-01-31\)$/m,
  );
});

test("refuses to prepare a release before it has changed anything", async () => {
  const checkout = await ReleaseCheckout.create();
  for (const [version, reason] of [
    ["next", 'invalid version "next"'],
    ["1.2.2", "version 1.2.2 is not newer than 1.2.3"],
    ["1.2.3-rc.1", "version 1.2.3-rc.1 is not newer than 1.2.3"],
    ["1.10.0", 'CHANGELOG.md has no section "## 1.10.0 (unreleased)"'],
  ] as const) {
    expect(await checkout.release("prepare", version)).toEqual({ code: 1, text: expect.stringContaining(reason) });
  }
  writeFileSync(join(checkout.folder, "new.txt"), "");
  const dirty = await checkout.release("prepare", "1.3.0");
  expect(dirty).toEqual({ code: 1, text: expect.stringContaining("the working tree has changes:\n?? new.txt") });
  const { stdout } = await checkout.git("status", "--porcelain");
  expect(stdout).toBe("?? new.txt\n");
});

test("packs nothing but a tagged commit of one version whose changes are dated", async () => {
  const checkout = await ReleaseCheckout.create();
  checkout.write("client/package.json", { name: "carillon-client", version: "1.2.2" });
  writeFileSync(join(checkout.folder, "CHANGELOG.md"), "## 1.2.3 (unreleased)\n");
  // The packages are not installed for this test.
  const script = `import { packRelease } from "./scripts/lib/release.mjs"; await packRelease();`;
  const failure = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: checkout.folder }).catch(
    ({ stderr }: { readonly stderr: string }) => stderr,
  );
  for (const fault of [
    "client/package.json has version 1.2.2, package.json 1.2.3",
    "CHANGELOG.md has no dated section for 1.2.3: run npm run release -- prepare 1.2.3",
    "package.json has no repository, which a provenance must name",
    "the working tree has changes:",
    "this commit has no tag v1.2.3",
  ])
    expect(failure).toContain(`- ${fault}`);
});

test("explains its steps when it is called without one", async () => {
  const { code, text } = await (await ReleaseCheckout.create()).release();
  expect([code, text]).toEqual([1, expect.stringContaining("usage: npm run release -- STEP")]);
});

test("lists in the bill of materials exactly the packages that a node needs to run", async () => {
  const { components, dependencies, metadata, ...format } = await readSbom("carillon");
  expect(format).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.5" });
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version: string };
  expect(metadata.component).toMatchObject({ name: "carillon", version, purl: `pkg:npm/carillon@${version}` });
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, { readonly version: string } & Readonly<Record<string, boolean>>>>;
  };
  const needed = Object.entries(packages)
    .filter(
      ([path, { dev, devOptional, link, peer }]) =>
        path.includes("node_modules/") && !(dev || devOptional || link || peer),
    )
    .map(([path, entry]) => `${path.split("node_modules/").at(-1)}@${entry.version}`);
  expect(components.map((component) => `${component.name}@${component.version}`).toSorted()).toEqual(
    [...new Set(needed)].toSorted(),
  );
  expect(needed.length).toBeGreaterThan(50);
  for (const { hashes = [], licenses, name, purl } of components) {
    expect([name, purl.startsWith("pkg:npm/"), licenses?.length]).toEqual([name, true, 1]);
    expect(hashes).toEqual([{ alg: "SHA-512", content: expect.stringMatching(/^[\da-f]{128}$/) }]);
  }
  const refs = new Set([metadata.component["bom-ref"], ...components.map((component) => component["bom-ref"])]);
  expect(new Set(dependencies.map(({ ref }) => ref))).toEqual(refs);
  expect(dependencies.flatMap(({ dependsOn }) => dependsOn).filter((ref) => !refs.has(ref))).toEqual([]);
});

test("lists no packages for the client library, which has no dependencies", async () => {
  const { components, metadata } = await readSbom("carillon-client");
  expect([metadata.component.name, components]).toEqual(["carillon-client", []]);
});
