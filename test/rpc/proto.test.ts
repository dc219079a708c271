import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { cleanUp } from "../support/clean-up.js";

const root = join(__dirname, "../..");
const bin = join(root, "node_modules/.bin");

/** Runs the buf installed with this package. */
function buf(...args: string[]): Promise<{ code: number; output: string }> {
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}` };
  return new Promise((resolve) => {
    execFile(join(bin, "buf"), args, { cwd: root, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "carillon-proto-"));
  cleanUp(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const clean = { code: 0, output: "" };

test("R1: passes buf lint and buf format", async () => {
  expect(await buf("lint")).toEqual(clean);
  expect(await buf("format", "-d", "--exit-code")).toEqual(clean);
});

test("R1: passes buf breaking against the committed baseline", async () => {
  expect(await buf("breaking", "--against", "proto/baseline.json")).toEqual(clean);
});

test.each([
  ["a field's number", "bytes payload = 3;", "bytes payload = 5;"],
  ["a field's type", "bytes payload = 3;", "string payload = 3;"],
  ["a field's name", "repeated string topics = 2;", "repeated string channels = 2;"],
  ["a method's name", "rpc Publish(Request)", "rpc Send(Request)"],
  ["a stream", "returns (stream Response)", "returns (Response)"],
])("R1: fails buf breaking after a change of %s", async (_, before, after) => {
  const folder = temporaryFolder();
  cpSync(join(root, "proto"), join(folder, "proto"), { recursive: true });
  cpSync(join(root, "buf.yaml"), join(folder, "buf.yaml"));
  const file = join(folder, "proto/websockets/v1/websockets.proto");
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace(before, after));
  expect(readFileSync(file, "utf8")).not.toBe(text);
  const { code, output } = await buf("breaking", folder, "--against", "proto/baseline.json");
  expect(code).toBe(100);
  expect(output).toContain("websockets.proto");
});

test("R1: has generated code that matches the proto files", async () => {
  const folder = temporaryFolder();
  expect(await buf("generate", "--output", folder)).toEqual(clean);
  expect(files(join(folder, "gen"))).toEqual(files(join(root, "gen")));
});

/** Reads every file under a folder. */
function files(under: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(under, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(under.length), readFileSync(path, "utf8")]),
  );
}
