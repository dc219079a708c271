import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative } from "node:path";

/**
 * Who may import whom. A room is a folder of src/, or a file beside them. Every room may import from itself, except
 * that the rooms within brokers/ and dialects/ never import each other.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  util: [],
  errors: [],
  core: ["util", "errors"],
  net: ["core", "util", "errors"],
  store: ["core", "util", "errors"],
  access: ["store", "core", "util", "errors"],
  cluster: ["access", "core", "util", "errors"],
  config: ["access", "net", "util", "errors"],
  vhosts: ["access", "config", "store", "core", "errors"],
  clients: ["vhosts", "access", "config", "net", "core", "errors"],
  commands: ["clients", "access", "core", "errors"],
  control: ["vhosts", "clients", "cluster", "access", "core", "util", "errors"],
  brokers: ["core", "util", "errors"],
  "brokers/memory": ["core", "util", "errors"],
  "brokers/nats": ["store", "cluster", "core", "util", "errors"],
  dialects: ["core", "commands", "util", "errors"],
  "dialects/native": ["dialects", "core", "commands", "util", "errors"],
  observe: ["util", "errors"],
  rpc: ["gen", "control", "vhosts", "access", "net", "core", "util", "errors"],
  transport: ["clients", "access", "commands", "dialects", "net", "observe", "core", "util", "errors"],
  server: ["gen", "core", "commands", "brokers", "brokers/memory", "brokers/nats", "dialects/native", "config"].concat(
    ["access", "vhosts", "clients", "control", "cluster", "store", "net"],
    ["observe", "rpc", "transport", "util", "errors"],
  ),
  index: ["server", "config", "observe", "errors"],
  cli: ["server", "vhosts", "access", "config", "observe", "rpc", "transport", "core", "util", "errors"],
  bin: ["cli"],
};

/** One room for each dependency. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "brokers/nats": ["nats"],
  access: ["jose", "re2js"],
  rpc: ["@bufbuild", "@connectrpc", "@grpc", "grpc-health-check"],
  transport: ["ws"],
  config: ["zod", "yaml"],
  observe: ["pino", "pino-pretty", "prom-client"],
  cli: ["commander"],
};

/** The core is pure: no input or output, not even Node's. */
const WITHOUT_BUILTINS = ["core"];

interface Import {
  readonly file: string;
  readonly room: string;
  readonly target: string;
}

const root = join(__dirname, "..");

const imports: readonly Import[] = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .flatMap((file) => {
    const text = readFileSync(join(root, "src", file), "utf8");
    const targets = [...text.matchAll(/^(?:import|export)\b[^;]*?\bfrom "([^"]+)";/gms)].map((match) => match[1] ?? "");
    return targets.map((target) => ({ file, room: roomOf(file), target }));
  });

function roomOf(file: string): string {
  const parts = file.split("/");
  const [first = "", second = ""] = parts;
  if (parts.length === 1) return first.replace(/\.ts$/, "");
  return parts.length > 2 && (first === "brokers" || first === "dialects") ? `${first}/${second}` : first;
}

/** The room of a relative import; undefined for a package. */
function targetRoom({ file, target }: Import): string | undefined {
  if (!target.startsWith(".")) return undefined;
  const path = relative(join(root, "src"), join(root, "src", dirname(file), target));
  return path.startsWith("../gen/") ? "gen" : roomOf(path.replace(/\.js$/, ".ts"));
}

test("the import lines are found", () => {
  expect(imports.length).toBeGreaterThan(100);
});

test("every room is in the table", () => {
  expect(Object.keys(ROOMS)).toEqual(expect.arrayContaining([...new Set(imports.map(({ room }) => room))]));
});

test("rooms import only whom the table lets them", () => {
  const wrong = imports.filter((line) => {
    const target = targetRoom(line);
    return target !== undefined && target !== line.room && !ROOMS[line.room]?.includes(target);
  });
  expect(wrong).toEqual([]);
});

test("each package is imported by its room alone", () => {
  const wrong = imports.filter((line) => {
    if (line.target.startsWith(".") || isBuiltin(line.target)) return false;
    return !PACKAGES[line.room]?.some((name) => line.target === name || line.target.startsWith(`${name}/`));
  });
  expect(wrong).toEqual([]);
});

test("the core imports nothing that does input or output", () => {
  const wrong = imports.filter(({ room, target }) => WITHOUT_BUILTINS.includes(room) && isBuiltin(target));
  expect(wrong).toEqual([]);
});

test("the command line's part of transport and rpc is their clients", () => {
  const allowed = ["../rpc/client.js", "../transport/listen-client.js"];
  const wrong = imports.filter(
    ({ room, target }) => room === "cli" && /\.\.\/(?:rpc|transport)\//.test(target) && !allowed.includes(target),
  );
  expect(wrong).toEqual([]);
});

function isBuiltin(target: string): boolean {
  return target.startsWith("node:") || builtinModules.includes(target);
}
