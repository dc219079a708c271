import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative } from "node:path";

const root = join(__dirname, "..");

/** Modules that every module may import. */
const FOR_ALL = ["util", "errors"];

/**
 * Modules that each module may import, as in the table of ARCHITECTURE.md. A module is a folder of src/, or a file beside
 * them; folders within brokers/ and dialects/ are modules that never import each other.
 */
const MODULES = modulesIn(readFileSync(join(root, "ARCHITECTURE.md"), "utf8"));

function modulesIn(page: string): ReadonlyMap<string, readonly string[]> {
  const modules = new Map<string, readonly string[]>();
  for (const [, module = "", cell = ""] of page.matchAll(/^\| `src\/([\w/-]+?)(?:\/|\.ts)` \|.*\| ?([^|]*)\|$/gm)) {
    const names = cell.split(",").map((name) => name.trim());
    modules.set(module, [...FOR_ALL, ...names.flatMap((name) => (name === "all above" ? [...modules.keys()] : name))]);
  }
  return modules;
}

/** Npm packages that each module may import. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  nats: ["nats"],
  access: ["jose", "re2js"],
  rpc: ["@bufbuild", "@connectrpc", "@grpc", "grpc-health-check"],
  transport: ["ws"],
  "dialects/socketio": ["ws", "socket.io", "engine.io"],
  outbound: ["@bufbuild", "@connectrpc", "@grpc", "ws"],
  config: ["zod", "yaml"],
  tracing: ["@opentelemetry"],
  observe: ["pino", "pino-pretty", "prom-client"],
  cli: ["commander", "@bomb.sh"],
};

/** Lists the dialects. */
const REGISTRY = "server/dialects.ts";

/** Modules without input or output, which import none of Node's modules. */
const WITHOUT_BUILTINS = ["core"];

interface Import {
  readonly file: string;
  readonly module: string;
  readonly target: string;
}

/** The files of src/, relative to it. */
const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".ts"),
);

const imports: readonly Import[] = files.flatMap((file) => {
  const text = readFileSync(join(root, "src", file), "utf8");
  const targets = [...text.matchAll(/^(?:import|export)\b[^;]*?\bfrom "([^"]+)";/gms)].map((match) => match[1] ?? "");
  return targets.map((target) => ({ file, module: moduleOf(file), target }));
});

function moduleOf(file: string): string {
  const parts = file.split("/");
  const [first = "", second = ""] = parts;
  if (parts.length === 1) return first.replace(/\.ts$/, "");
  return parts.length > 2 && (first === "brokers" || first === "dialects") ? `${first}/${second}` : first;
}

/** The module of a relative import; undefined for a package. */
function targetModule({ file, target }: Import): string | undefined {
  if (!target.startsWith(".")) return undefined;
  const path = relative(join(root, "src"), join(root, "src", dirname(file), target));
  return path.startsWith("../gen/") ? "gen" : moduleOf(path.replace(/\.js$/, ".ts"));
}

test("finds import lines", () => {
  expect(imports.length).toBeGreaterThan(100);
});

test("lists exactly the existing modules in the table", () => {
  expect([...MODULES.keys()].toSorted()).toEqual(
    [...new Set([...FOR_ALL, ...imports.map(({ module }) => module)])].toSorted(),
  );
});

test("names only existing modules as imports", () => {
  const known = new Set(["", "gen", ...MODULES.keys()]);
  expect([...MODULES].filter(([, names]) => names.some((name) => !known.has(name)))).toEqual([]);
});

test("allows modules only the imports of the table", () => {
  const wrong = imports.filter((line) => {
    const target = targetModule(line);
    return target !== undefined && target !== line.module && !MODULES.get(line.module)?.includes(target);
  });
  expect(wrong).toEqual([]);
});

test("imports each package in one module only", () => {
  const wrong = imports.filter((line) => {
    if (line.target.startsWith(".") || isBuiltin(line.target)) return false;
    return !PACKAGES[line.module]?.some((name) => line.target === name || line.target.startsWith(`${name}/`));
  });
  expect(wrong).toEqual([]);
});

test("imports nothing with input or output in the core", () => {
  const wrong = imports.filter(({ module, target }) => WITHOUT_BUILTINS.includes(module) && isBuiltin(target));
  expect(wrong).toEqual([]);
});

test("exports each name from one file only", () => {
  const homes = new Map<string, string[]>();
  for (const { file, name } of exportedNames()) homes.set(name, [...(homes.get(name) ?? []), file]);
  expect(homes.size).toBeGreaterThan(1_000);
  expect([...homes].filter(([, paths]) => new Set(paths).size > 1)).toEqual([]);
});

test("keeps at most 20 files in each folder", () => {
  const folders = new Map<string, number>();
  for (const file of files) folders.set(dirname(file), (folders.get(dirname(file)) ?? 0) + 1);
  expect([...folders].filter(([, count]) => count > 20)).toEqual([]);
});

test("names each dialect in its own folder and in the registry only", () => {
  const folders = readdirSync(join(root, "src", "dialects"), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  expect(folders.length).toBeGreaterThan(5);
  const wrong = folders.flatMap(({ name }) =>
    files
      .filter((file) => file !== REGISTRY && !file.startsWith(`dialects/${name}/`))
      .filter((file) => nameOf(name).test(readFileSync(join(root, "src", file), "utf8")))
      .map((file) => `${file} names ${name}`),
  );
  expect(wrong).toEqual([]);
});

/**
 * Dialects whose names have another meaning, such as in `isNativeError` and `node:events`. The setting `grpc.server` has the
 * values `grpc-js` and `native`, which is no dialect there; they are written one after the other.
 */
const SPELLINGS: Readonly<Record<string, RegExp>> = {
  native: /(?<!\bgrpc-js\W+(?:or\W+)?)\bnative\b(?!-error)|Native(?!Error)/,
  events: /dialects\/events|Events(?:Dialect|Listener|Conversation)/,
};

/** A dialect's name in any spelling, such as SocketIo and Socket.IO. */
function nameOf(dialect: string): RegExp {
  return SPELLINGS[dialect] ?? new RegExp(dialect.split("").join("[-_. ]?"), "i");
}

test("has no file under 25 lines that only one file of its folder imports, apart from types and tables", () => {
  const crumbs = files.filter((file) => {
    const text = readFileSync(join(root, "src", file), "utf8");
    const importers = new Set(imports.filter((line) => targetFile(line) === file).map((line) => line.file));
    const [only] = importers;
    const isSibling = importers.size === 1 && only !== undefined && dirname(only) === dirname(file);
    return isSibling && text.split("\n").length <= 25 && /^export (?:async )?(?:function|class)/m.test(text);
  });
  expect(crumbs).toEqual([]);
});

/** File that a relative import names, relative to src/; undefined for a package. */
function targetFile({ file, target }: Import): string | undefined {
  return target.startsWith(".") ? join(dirname(file), target).replace(/\.js$/, ".ts") : undefined;
}

/** Names that files of src/ declare and export; an overload is listed again. */
function exportedNames(): readonly { readonly file: string; readonly name: string }[] {
  const declaration = /^export (?:async )?(?:abstract )?(?:function\*?|class|interface|type|const) (\w+)/gm;
  return files.flatMap((file) =>
    [...readFileSync(join(root, "src", file), "utf8").matchAll(declaration)].map(([, name = ""]) => ({ file, name })),
  );
}

function isBuiltin(target: string): boolean {
  return target.startsWith("node:") || builtinModules.includes(target);
}
