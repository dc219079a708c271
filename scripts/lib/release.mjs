import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "./build.mjs";
import { npm } from "./npm.mjs";
import { cache, inRoot } from "./paths.mjs";
import { mustRun, run } from "./run.mjs";
import { SetupError, say } from "./say.mjs";
import { createSbom } from "./sbom.mjs";

/** Folders of the published packages. */
export const FOLDERS = { carillon: ".", "carillon-client": "client" };

const VERSION = /^\d+\.\d+\.\d+(?:-[\da-z.-]+)?$/i;

/** Words that follow the version until its release. */
const UNRELEASED = ", which is not released yet";

/** Files that name the version, each with the text that stands around it. */
const MENTIONS = [
  { file: "README.md", around: (version) => `This is version ${version}` },
  { file: join("deploy", "helm", "carillon", "Chart.yaml"), around: (version) => `appVersion: ${version}` },
];

const readJson = (file) => JSON.parse(readFileSync(inRoot(file), "utf8"));

/** Sets the version everywhere, and dates its changes. @throws SetupError before anything is changed */
export async function prepareRelease(version, today = new Date().toISOString().slice(0, 10)) {
  if (!VERSION.test(version)) throw new SetupError(`invalid version "${version}": expected one such as 1.2.3`);
  const { version: before } = readJson("package.json");
  if (before !== version && compareVersions(version, before) <= 0)
    throw new SetupError(`version ${version} is not newer than ${before}`);
  const { code, output } = await run("git", ["status", "--porcelain"]);
  if (code !== 0 || output !== "") throw new SetupError(`the working tree has changes:\n${output}`);
  const changes = readFileSync(inRoot("CHANGELOG.md"), "utf8");
  const heading = `## ${version} (unreleased)\n`;
  if (!changes.includes(heading)) throw new SetupError(`CHANGELOG.md has no section "${heading.trim()}"`);

  writeFileSync(inRoot("CHANGELOG.md"), changes.replace(heading, `## ${version} (${today})\n`));
  for (const file of ["package.json", join("client", "package.json")]) writeJson(file, { ...readJson(file), version });
  const lock = readJson("package-lock.json");
  lock.version = version;
  lock.packages[""].version = version;
  lock.packages.client.version = version;
  writeJson("package-lock.json", lock);
  for (const { around, file } of MENTIONS) {
    if (!existsSync(inRoot(file))) continue;
    const text = readFileSync(inRoot(file), "utf8").replace(`${around(before)}${UNRELEASED}`, around(before));
    writeFileSync(inRoot(file), text.replace(around(before), around(version)));
  }
}

/**
 * Checks that the checkout is a release, packs both packages, and installs them from their tarballs into an empty folder.
 * Returns the folder with the tarballs and their bills of materials. @throws SetupError
 */
export async function packRelease() {
  const { repository, version } = readJson("package.json");
  await checkRelease(version, repository);
  await build();
  const folder = join(cache, "release", version);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const [file, ...first] = npm();
  const tarballs = [];
  for (const [name, source] of Object.entries(FOLDERS)) {
    say(`packing ${name} ${version} ...`);
    const where = source === "." ? [] : [`--workspace=${name}`];
    await mustRun("npm pack", file, [...first, "pack", "--ignore-scripts", "--pack-destination", folder, ...where]);
    tarballs.push(join(folder, `${name}-${version}.tgz`));
    writeFileSync(join(folder, `${name}-${version}.cdx.json`), formatJson(await createSbom(source)));
  }
  await tryInstall(tarballs, version);
  return folder;
}

/** @throws SetupError the checkout is not the commit of a release */
async function checkRelease(version, repository) {
  const faults = [];
  for (const file of [join("client", "package.json"), "package-lock.json"]) {
    const { version: found } = readJson(file);
    if (found !== version) faults.push(`${file} has version ${found}, package.json ${version}`);
  }
  const section = new RegExp(`^## ${version.replaceAll(".", "\\.")} \\(\\d{4}-\\d\\d-\\d\\d\\)$`, "m");
  if (!section.test(readFileSync(inRoot("CHANGELOG.md"), "utf8")))
    faults.push(`CHANGELOG.md has no dated section for ${version}: run npm run release -- prepare ${version}`);
  if (!repository) faults.push("package.json has no repository, which a provenance must name");
  const { output: changed } = await run("git", ["status", "--porcelain"]);
  if (changed !== "") faults.push(`the working tree has changes:\n${changed}`);
  const { output: tags } = await run("git", ["tag", "--points-at", "HEAD"]);
  if (!tags.split("\n").includes(`v${version}`)) faults.push(`this commit has no tag v${version}`);
  if (faults.length > 0)
    throw new SetupError(`this is not a release:\n${faults.map((fault) => `- ${fault}`).join("\n")}`);
}

/** Installs tarballs with npm into an empty folder, and runs the program. */
async function tryInstall(tarballs, version) {
  say("installing the tarballs into an empty folder ...");
  const folder = mkdtempSync(join(tmpdir(), "carillon-release-"));
  try {
    const [file, ...first] = npm();
    const options = ["--prefix", folder, "--no-audit", "--no-fund", "--ignore-scripts"];
    await mustRun("npm install", file, [...first, "install", ...options, ...tarballs]);
    const bin = join(folder, "node_modules", "carillon", "dist", "src", "bin.js");
    const { output } = await run(process.execPath, [bin, "--version"]);
    if (output.trim() !== version) throw new SetupError(`the installed program says it is ${output}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Compares versions by their precedence. Source: semver.org §11, without numeric order within pre-releases. */
function compareVersions(one, other) {
  const [numbers, release] = splitVersion(one);
  const [otherNumbers, otherRelease] = splitVersion(other);
  for (const [index, number] of numbers.entries())
    if (number !== otherNumbers[index]) return number - otherNumbers[index];
  if (release === otherRelease) return 0;
  if (release === "" || otherRelease === "") return release === "" ? 1 : -1;
  return release < otherRelease ? -1 : 1;
}

function splitVersion(version) {
  const [, core, release = ""] = /^([\d.]+)(?:-(.*))?$/.exec(version);
  return [core.split(".").map(Number), release];
}

function formatJson(value) {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function writeJson(file, value) {
  writeFileSync(inRoot(file), formatJson(value));
}
