import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { packageRoot, packageVersion } from "../../../src/util/package-root.js";
import { publish } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { runCarillon, startCarillon } from "../../support/nodes/process.js";
import { temporaryFolder } from "../../support/temporary-files.js";

const run = promisify(execFile);

interface PackedFile {
  readonly path: string;
  readonly size: number;
  readonly mode: number;
}

interface Packed {
  readonly name: string;
  readonly version: string;
  readonly filename: string;
  /** Bytes of the tarball, and of its files. */
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly PackedFile[];
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly license?: string;
  readonly publishConfig?: Readonly<Record<string, unknown>>;
}

/** Packages with the files that they may and must have, and the limits of their sizes in bytes. */
const PACKAGES = [
  {
    name: "carillon",
    folder: packageRoot,
    allowed: [
      /^dist\/(?:src|gen)\/[\w/.-]+\.(?:js|js\.map|d\.ts)$/,
      /^docs\/[\w/.-]+\.(?:md|svg|png)$/,
      /^(?:page|dashboard)\/[\w/.-]+\.(?:js|css|html|svg)$/,
      /^proto\/[\w/]+\.proto$/,
      /^deploy\/[\w/.-]+$/,
      /^(?:client\/README|bench\/[A-Z]+|examples\/[\w/-]+)\.md$/,
      /^(?:[A-Z]+\.md|LICENSE|package\.json|carillon\.schema\.json)$/,
    ],
    required: [
      "dist/src/bin.js",
      "dist/src/index.js",
      "dist/src/index.d.ts",
      "dist/src/cli/bench/receiver-thread.js",
      "page/index.html",
      "dashboard/index.html",
      "proto/carillon/v1/control.proto",
      "carillon.schema.json",
      "docs/upgrading.md",
      "deploy/Dockerfile",
      "LICENSE",
      "README.md",
    ],
    packedLimit: 2 << 20,
    unpackedLimit: 8 << 20,
  },
  {
    name: "carillon-client",
    folder: join(packageRoot, "client"),
    allowed: [/^dist\/[\w/-]+\.(?:js|d\.ts)$/, /^(?:README\.md|LICENSE|package\.json)$/],
    required: ["dist/index.js", "dist/index.d.ts", "dist/presence.js", "dist/react.js", "LICENSE", "README.md"],
    packedLimit: 64 << 10,
    unpackedLimit: 256 << 10,
  },
] as const;

/** Names of files that no package may have, wherever they are. */
const FORBIDDEN = /(?:^|\/)(?:test|tests|node_modules|\.[^/]+)(?:\/|$)|\.test\.|\.tsbuildinfo$|\.(?:key|pem|env)$/;

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/** Folder of the tarballs. */
const tarballs = mkdtempSync(join(tmpdir(), "carillon-pack-"));

const packed = new Map<string, Packed>();

// Without building: dist/ has been built before the tests.
beforeAll(async () => {
  for (const { folder, name } of PACKAGES) {
    const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", tarballs];
    const { stdout } = await run("npm", args, { cwd: folder, maxBuffer: 16 << 20 });
    const [result] = Object.values(JSON.parse(stdout) as Record<string, Packed>);
    if (result !== undefined) packed.set(name, result);
  }
});

afterAll(() => {
  rmSync(tarballs, { recursive: true });
});

function packedAs(name: string): Packed {
  const found = packed.get(name);
  if (found === undefined) throw new Error(`${name} was not packed`);
  return found;
}

/** Creates a folder with both packages from their tarballs, and only the packages that they name as dependencies. */
async function installTarballs(): Promise<string> {
  const folder = temporaryFolder();
  for (const { name } of PACKAGES) {
    const installed = join(folder, "node_modules", name);
    mkdirSync(installed, { recursive: true });
    await run("tar", ["-xzf", join(tarballs, packedAs(name).filename), "-C", installed, "--strip-components=1"]);
    for (const dependency of Object.keys(readManifest(installed).dependencies ?? {})) link(folder, dependency);
  }
  return folder;
}

/** Links an installed package into another folder. */
function link(folder: string, name: string): void {
  const target = join(folder, "node_modules", name);
  if (existsSync(target)) return;
  mkdirSync(dirname(target), { recursive: true });
  symlinkSync(join(packageRoot, "node_modules", name), target);
}

describe.each(PACKAGES)("$name", ({ allowed, folder, name, packedLimit, required, unpackedLimit }) => {
  test("packs the files that it needs, and no others", () => {
    const { files, size, unpackedSize, ...about } = packedAs(name);
    expect(about).toMatchObject({ name, version: packageVersion });
    const paths = files.map(({ path }) => path);
    expect(paths.filter((path) => !allowed.some((pattern) => pattern.test(path)))).toEqual([]);
    expect(paths.filter((path) => FORBIDDEN.test(path))).toEqual([]);
    expect(required.filter((path) => !paths.includes(path))).toEqual([]);
    expect(size).toBeLessThan(packedLimit);
    expect(unpackedSize).toBeLessThan(unpackedLimit);
    expect(files.filter(({ size: bytes }) => bytes === 0)).toEqual([]);
  });

  test("names no path of the machine that has built it", () => {
    const { files } = packedAs(name);
    const machine = [packageRoot, homedir()].filter((path) => path.length > 5);
    const naming = files.filter(({ path }) => {
      const text = readFileSync(join(folder, path), "utf8");
      return machine.some((part) => text.includes(part));
    });
    expect(naming.map(({ path }) => path)).toEqual([]);
    for (const { path } of files.filter((file) => file.path.endsWith(".map"))) {
      const { sources } = JSON.parse(readFileSync(join(folder, path), "utf8")) as { readonly sources: string[] };
      expect([path, sources.filter((source) => !/^\.\.?\//.test(source))]).toEqual([path, []]);
    }
  });

  test("is published in public, with a provenance", () => {
    const { license, publishConfig, version } = readManifest(folder);
    expect([license, publishConfig]).toEqual(["Apache-2.0", { access: "public", provenance: true }]);
    expect(version).toBe(packageVersion);
  });
});

test("has an executable of mode 755 in the tarball", () => {
  const { files } = packedAs("carillon");
  const executable = files.find(({ path }) => path === "dist/src/bin.js");
  expect((executable?.mode ?? 0).toString(8)).toBe("755");
});

test("starts a node from the tarball in an empty folder, with only its dependencies", async () => {
  const folder = await installTarballs();
  const program = join(folder, "node_modules/carillon/dist/src/bin.js");
  expect(await runCarillon(["--version"], { program, folder })).toMatchObject({
    code: 0,
    stdout: `${packageVersion}\n`,
  });
  const node = await startCarillon([], { program, folder });
  const client = await connect(`${node.ws}/ws`);
  await client.join("hello");
  await publish(node, [{ topics: ["hello"], payload: "from the tarball" }]);
  expect(await client.nextText()).toBe('{"topic":"hello","payload":"from the tarball"}');
  for (const path of ["/", "/try/broadcaster"]) expect((await fetch(node.http + path)).status).toBe(200);
  const bench = await runCarillon(["bench", "-s", node.http, "-n", "2", "-d", "100ms"], { program, folder });
  expect([bench.code, bench.stderr]).toEqual([0, ""]);
});

test("has types that compile in a program that uses every entry", async () => {
  const folder = await installTarballs();
  // Packages that a program in TypeScript has itself.
  for (const name of ["@types/node", "@types/react", "csstype", "undici-types"]) {
    if (existsSync(join(packageRoot, "node_modules", name))) link(folder, name);
  }
  const { exports } = readManifest(join(folder, "node_modules/carillon-client")) as unknown as {
    readonly exports: Readonly<Record<string, unknown>>;
  };
  const entries = Object.keys(exports).filter((entry) => entry !== "./package.json");
  const imports = entries.map((entry, index) => `import * as entry${index} from "carillon-client${entry.slice(1)}";`);
  const program = `${imports.join("\n")}
import { type ConfigInput, createCarillon, createPublisher, createWorker } from "carillon";
const config: ConfigInput = { http: "127.0.0.1:0" };
// @ts-expect-error an unknown setting
const wrong: ConfigInput = { htpp: "127.0.0.1:0" };
export const all = [createCarillon(config), createPublisher, createWorker, wrong, ${entries.map((_, index) => `entry${index}`).join(", ")}];
`;
  writeFileSync(join(folder, "program.ts"), program);
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--types", "node"];
  const tsc = join(packageRoot, "node_modules/typescript/bin/tsc");
  const compiled = await run(process.execPath, [tsc, ...options, "program.ts"], { cwd: folder }).then(
    () => "",
    ({ stderr, stdout }: { readonly stdout: string; readonly stderr: string }) => stdout + stderr,
  );
  expect(compiled).toBe("");
  expect(entries.length).toBeGreaterThan(4);
  expect(readdirSync(join(folder, "node_modules"))).not.toContain("jest");
});
