import { readFileSync } from "node:fs";
import { address, atMostOne, secret, z } from "../../config/schema-builder.js";
import { CarillonError } from "../../errors.js";

/** Smallest length of the admin interface's cookie, in characters. */
const SHORTEST_COOKIE = 16;

const mount = z.string().regex(/^(?:\/|(?:\/[\w.-]+)+)$/, "expected / or a path such as /webrocket");

const nodeSettings = z
  .strictObject({
    mount: mount.default("/webrocket").describe("Path of WebRocket's frontend."),
    backend: address
      .optional()
      .describe("Address for WebRocket backends (plain TCP, or TLS where `tls` is set). Off by default."),
    admin: z
      .strictObject({
        listen: address.describe("Address of WebRocket's admin interface."),
        cookie: secret(
          z
            .string()
            .min(SHORTEST_COOKIE, `expected at least ${SHORTEST_COOKIE} characters`)
            .optional()
            .describe("Admin cookie. Excludes `cookie_file`."),
        ),
        cookie_file: z.string().optional().describe("File with the admin cookie."),
      })
      .refine(({ cookie, cookie_file }) => (cookie === undefined) !== (cookie_file === undefined), {
        message: "expected exactly one of cookie and cookie_file",
      })
      .optional(),
  })
  .prefault({});

const NODE_DEFAULTS = `# Ports for WebRocket's backends and its admin interface, off by default. Without tls they are not encrypted.
#   webrocket: { backend: 127.0.0.1:8081, admin: { listen: 127.0.0.1:8082, cookie_file: … } }   # or cookie
webrocket:
  mount: /webrocket
`;

const oneToken = atMostOne("access_token", "access_token_file");

const vhostSettings = z
  .strictObject({
    access_token: secret(
      z
        .string()
        .regex(/^\w{40}$/, "expected 40 letters, digits and _")
        .optional()
        .describe("Token of WebRocket backends. Without one they are refused."),
    ),
    access_token_file: z.string().optional().describe("File with that token. Excludes `access_token`."),
  })
  .refine(oneToken.check, { message: oneToken.message })
  .prefault({});

const VHOST_DEFAULTS = `# Token of WebRocket backends: 40 letters, digits and _. Without one they are refused.
#   webrocket: { access_token_file: … }   # or access_token
webrocket: {}
`;

export const webrocketSettings = {
  node: nodeSettings,
  vhost: vhostSettings,
  defaults: { node: NODE_DEFAULTS, vhost: VHOST_DEFAULTS },
};

export type WebrocketSettings = z.output<typeof nodeSettings>;
export type WebrocketVhostSettings = z.output<typeof vhostSettings>;

/**
 * Reads the cookie that callers of the admin interface must present.
 * @throws CarillonError failed_precondition: its file cannot be read; invalid_argument: it is too short, for example because
 * the file is empty
 */
export function readConfiguredCookie({ cookie, cookie_file: file }: NonNullable<WebrocketSettings["admin"]>): string {
  const read = cookie ?? (file === undefined ? "" : readCookieFile(file));
  if (read.length >= SHORTEST_COOKIE) return read;
  const text = `webrocket.admin: expected a cookie of at least ${SHORTEST_COOKIE} characters`;
  throw new CarillonError("invalid_argument", text);
}

function readCookieFile(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw new CarillonError("failed_precondition", `webrocket.admin.cookie_file: ${file} cannot be read`, { cause });
  }
}
