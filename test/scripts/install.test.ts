import { execFile } from "node:child_process";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { temporaryFolder } from "../support/temporary-files.js";

const run = promisify(execFile);

const INSTALL = 'import { install } from "./scripts/lib/install.mjs"; await install();';

/** A checkout with the scripts, and without packages from a registry. */
class Checkout {
  readonly folder = temporaryFolder();

  constructor() {
    cpSync(join(__dirname, "../../scripts"), join(this.folder, "scripts"), { recursive: true });
    this.#package("", { name: "checkout", dependencies: { first: "file:first" } });
    this.#package("first", { name: "first", version: "1.0.0" });
    this.#package("further", { name: "further", version: "1.0.0" });
  }

  async npm(...args: readonly string[]): Promise<void> {
    await run("npm", [...args, "--offline", "--no-audit", "--no-fund"], { cwd: this.folder });
  }

  /** Output of a start that makes sure that the packages are there. */
  async install(): Promise<string> {
    const { stderr, stdout } = await run("node", ["--input-type=module", "-e", INSTALL], { cwd: this.folder });
    return stdout + stderr;
  }

  #package(folder: string, content: object): void {
    mkdirSync(join(this.folder, folder), { recursive: true });
    writeFileSync(join(this.folder, folder, "package.json"), JSON.stringify(content));
  }
}

test("does not install again after npm install of another package", async () => {
  const checkout = new Checkout();
  await checkout.npm("install");
  expect(await checkout.install()).toBe("");
  await checkout.npm("install", "./further");
  expect(await checkout.install()).toBe("");
  // Its own stamp is enough from then on.
  rmSync(join(checkout.folder, "node_modules/.package-lock.json"));
  expect(await checkout.install()).toBe("");
});

test("installs again when package-lock.json has changed, for example after a pull", async () => {
  const [checkout, other] = [new Checkout(), new Checkout()];
  await checkout.npm("install");
  await other.npm("install", "./further");
  for (const file of ["package.json", "package-lock.json"]) {
    cpSync(join(other.folder, file), join(checkout.folder, file));
  }
  expect(await checkout.install()).toContain("installing packages");
  expect(await checkout.install()).toBe("");
});

test("installs again when a package is missing", async () => {
  const checkout = new Checkout();
  await checkout.npm("install");
  rmSync(join(checkout.folder, "node_modules/first"));
  expect(await checkout.install()).toContain("installing packages");
});
