import { BACKEND_ACTIONS } from "../../src/access/decide/actions.js";
import { hashKey } from "../../src/access/keys/key-secret.js";
import { type ExplainFlags, explainAccessCommand } from "../../src/cli/access.js";
import { createKeyCommand } from "../../src/cli/key.js";
import { temporaryFile } from "../support/temporary-files.js";
import { raw, SECRET } from "./jwts.js";

const CONFIG = `
vhosts:
  /:
    access: private
    topics:
      - { match: "public.*", access: open }
      - { match: "chat.>", client_publish: true, presence: true, history: chat }
    history: { chat: {} }
    anonymous: { permissions: { join: ["lobby"] } }
    jwt: { secret: ${SECRET}, leeway: 0s }
  /closed:
    anonymous: { connect: false }
`;

let printed: { stdout: string; stderr: string };

beforeEach(() => {
  printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    jest.spyOn(process[name], "write").mockImplementation((text) => {
      printed[name] += String(text);
      return true;
    });
  }
});

afterEach(() => {
  jest.restoreAllMocks();
  process.exitCode = 0;
});

async function explain(action: string, topic: string, flags: Partial<ExplainFlags>): Promise<string> {
  const file = temporaryFile("carillon.yaml", CONFIG);
  process.exitCode = 0;
  await explainAccessCommand(action, topic, { config: file, vhost: "/", ...flags });
  return `${process.exitCode} ${printed.stdout}${printed.stderr}`;
}

function token(claims: object = {}, exp = Math.floor(Date.now() / 1_000) + 60): string {
  return raw('{"alg":"HS256"}', JSON.stringify({ sub: "eve", exp, ...claims }));
}

const ANONYMOUS = { anonymous: true } as const;

test.each([
  ["join", "public.a", ANONYMOUS, '0 allowed: the rule "public.*" is open'],
  ["join", "lobby", ANONYMOUS, '0 allowed: the permission "lobby" of an anonymous client allows it'],
  ["join", "other", ANONYMOUS, '1 refused: the rule "*" makes it private, and no permission to join matches "other"'],
  ["join", "x", { permissions: '{"join":["x"]}' }, '0 allowed: the permission "x"'],
  [
    "publish",
    "chat.1",
    { permissions: '{"join":["chat.*"]}' },
    '0 allowed: the rule "chat.>" lets every client that may join',
  ],
  ["presence", "chat.1", { token: token({ permissions: { join: ["chat.*"] } }) }, '0 allowed: the rule "chat.>"'],
  [
    "join",
    "chat.1",
    { token: token({ permissions: { join: ["chat.*"] } }) },
    '0 allowed: the permission "chat.*" of user "eve"',
  ],
  ["join", "lobby", { token: token() }, '0 allowed: the permission "lobby" of user "eve"'],
  ["join", "chat.1", { token: token({}, 1) }, "1 refused: invalid token: expired"],
  ["join", "a", { ...ANONYMOUS, vhost: "/closed" }, "1 refused: the vhost requires a token"],
  [
    "history",
    "chat.1",
    { token: token({ permissions: { history: ["chat.*"] } }) },
    '0 allowed: the permission "chat.*" of user "eve" allows it (history)',
  ],
  ["history", "chat.1", { permissions: '{"join":["chat.*"]}' }, '0 allowed: the rule "chat.>" shows its history'],
  ["history", "chat.1", ANONYMOUS, '1 refused: no permission for history matches "chat.1"'],
  ["history", "public.a", ANONYMOUS, '1 refused: the rule "public.*" has no history'],
  ["call", "any event", { permissions: '{"call":["*"]}' }, '0 allowed: the permission "*"'],
  ["join", "a", { token: token(), vhost: "/closed" }, "2 carillon: the vhost has no issuer"],
  ["join", "a", { permissions: "{" }, "2 carillon: --permissions: expected JSON"],
  ["join", "a", { permissions: '{"joins":["a"]}' }, "2 carillon: permissions contains an unknown action"],
  ["join", "#a", ANONYMOUS, '2 carillon: the topic "#a" begins with a reserved'],
  ["fly", "a", ANONYMOUS, '2 carillon: unknown action "fly"; known: join, publish, call, presence, history'],
  ["join", "a", {}, "2 carillon: expected exactly one of --token, --anonymous and --permissions"],
  ["join", "a", { ...ANONYMOUS, permissions: "{}" }, "2 carillon: expected exactly one of --token"],
  ["join", "a", { ...ANONYMOUS, vhost: "/none" }, '2 carillon: unknown vhost "/none"; configured: /, /closed'],
  ["join", "a", { ...ANONYMOUS, vhost: "__proto__" }, "2 carillon: unknown vhost"],
] as const)("access explain %s %s %j", async (action, topic, flags, text) => {
  expect(await explain(action, topic, flags)).toContain(text);
});

test("access explain prints neither secrets nor tokens", async () => {
  const text = await explain("join", "chat.1", { token: `${token()}x` });
  expect(text).toContain("signature");
  expect(text).not.toContain(SECRET);
});

test("key create prints only a key on stdout, and its configuration entry on stderr", () => {
  createKeyCommand({ name: "billing" });
  expect(printed.stdout).toMatch(/^ck_[\w-]{43}\n$/);
  expect(printed.stderr).toContain("- name: billing");
  expect(printed.stderr).toContain(`hash: sha256:${hashKey(printed.stdout.trim())}`);
  expect(printed.stderr).not.toContain(printed.stdout.trim());
  for (const action of BACKEND_ACTIONS) expect(printed.stderr).toMatch(new RegExp(`[ ,]${action}\\b`));
  createKeyCommand({ name: "a b" });
  expect(process.exitCode).toBe(2);
});
