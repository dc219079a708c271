import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePorts } from "../../bench/support/ports.js";
import { packageRoot } from "../../src/util/package-root.js";
import { cleanUp } from "../support/clean-up.js";
import { Container, containersMissing, procOf, signalFirst } from "../support/deploy/container.js";
import { execFormOf, readStages, textsOf, variablesOf } from "../support/deploy/dockerfile.js";
import { BUILD_TIMEOUT, buildImage, copiedPaths, type Image, readAllowed } from "../support/deploy/image.js";

/** Runs the steps of deploy/Dockerfile in a folder, and its programs in a container made of namespaces. Docker is not needed. */

const DOCKERFILE = "deploy/Dockerfile";

let folder: string;
let image: Image;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "carillon-image-"));
  image = await buildImage(DOCKERFILE, folder);
}, BUILD_TIMEOUT);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a step with all of the container's programs in exec form. */
function commandsOf({ stage }: Image) {
  const entry = execFormOf(stage, "ENTRYPOINT");
  return { serve: [...entry, ...execFormOf(stage, "CMD")], health: execFormOf(stage, "HEALTHCHECK"), entry };
}

test("starts programs without a shell, whose files the image has", () => {
  const { health, serve } = commandsOf(image);
  const [runtime = "", program = ""] = serve;
  expect(health.slice(0, 2)).toEqual([runtime, program]);
  for (const path of [runtime, program]) expect(existsSync(join(image.root, path))).toBe(true);
  expect(copiedPaths(image)).toEqual(["/app"]);
});

test("has a base image without a shell, an unprivileged numeric user and the ports of the settings", () => {
  const stages = readStages(readFileSync(join(packageRoot, DOCKERFILE), "utf8"));
  expect(stages.map(({ image: base }) => base)).toEqual([
    expect.stringMatching(/^node:\d+-\w+-slim$/),
    expect.stringMatching(/^gcr\.io\/distroless\/nodejs\d+-debian\d+:nonroot$/),
  ]);
  const [builder, base] = stages.map(({ image: name }) => /(?:node:|nodejs)(\d+)/.exec(name)?.[1]);
  expect(builder).toBe(base);
  expect(textsOf(image.stage, "USER")).toEqual([expect.stringMatching(/^[1-9]\d*:[1-9]\d*$/)]);
  const variables = variablesOf(image.stage);
  const ports = [variables["CARILLON_HTTP"], variables["CARILLON_GRPC"]].map((address) => address?.split(":")[1]);
  expect(textsOf(image.stage, "EXPOSE")).toEqual([ports.join(" ")]);
});

test("holds the program and its packages only", () => {
  const folders = readdirSync(join(image.root, "app"));
  expect(folders).toEqual(expect.arrayContaining(["LICENSE", "dist", "node_modules", "package.json", "page", "proto"]));
  for (const name of ["bench", "client", "deploy", "docs", "examples", "src", "test"])
    expect(folders).not.toContain(name);
  const packages = readdirSync(join(image.root, "app", "node_modules"));
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
    readonly dependencies: object;
    readonly devDependencies: object;
  };
  const present = (name: string): boolean => existsSync(join(image.root, "app", "node_modules", name));
  expect(Object.keys(dependencies).filter((name) => !present(name))).toEqual([]);
  for (const name of ["jest", "typescript", "@biomejs"]) expect(packages).not.toContain(name);
  expect(Object.keys(devDependencies).length).toBeGreaterThan(10);
});

test("is built from files of the repository, without credentials and build output", () => {
  for (const path of readAllowed()) expect(statSync(join(packageRoot, path), { throwIfNoEntry: false })).toBeDefined();
  for (const path of ["dist", "node_modules", ".git", ".cache"]) expect(readAllowed()).not.toContain(path);
});

const missing = containersMissing();
const inContainer = missing === undefined ? describe : describe.skip;

inContainer(`in a container${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  test("serves as process 1 of an unprivileged user on a read-only root, is healthy, and ends with 0 on SIGTERM", async () => {
    const [http, grpc, admin] = await findFreePorts(3);
    // The mounted settings are found in the working directory.
    const settings = join(image.root, textsOf(image.stage, "WORKDIR").at(-1) ?? "", "carillon.yaml");
    writeFileSync(settings, `admin: { listen: 127.0.0.1:${admin} }`);
    cleanUp(() => rmSync(settings));
    const variables = { CARILLON_HTTP: `127.0.0.1:${http}`, CARILLON_GRPC: `127.0.0.1:${grpc}` };
    const container = new Container(image, variables);
    const { entry, health, serve } = commandsOf(image);
    expect(container.run(health)).toMatchObject({ code: 3 });

    const node = container.start(serve);
    await node.says(/"msg":"ready"/);
    expect(procOf(node.id, "status")).toMatch(/^NSpid:\t\d+\t1$/m);
    expect(procOf(node.id, "status")).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m);
    expect(procOf(node.id, "mountinfo")).toMatch(/^\d+ \d+ \S+ \S+ \/ ro[, ]/m);
    expect((await fetch(`http://127.0.0.1:${admin}/readyz`)).status).toBe(200);
    expect(container.run(health)).toEqual({ code: 0, output: "ok\n" });
    const published = container.run([
      ...entry,
      "publish",
      "--server",
      `grpc://${variables.CARILLON_GRPC}`,
      "hello",
      "world",
    ]);
    expect(published).toMatchObject({ code: 0, output: expect.stringMatching(/ flushed\n$/) });

    signalFirst(node.id, "SIGTERM");
    expect(await node.gone).toBe(0);
  });

  test("refuses to be reachable from outside without keys", async () => {
    const node = new Container(image, {}).start(commandsOf(image).serve);
    expect(await node.gone).toBe(2);
    expect(node.printed).toContain("0.0.0.0:8080");
  });
});
