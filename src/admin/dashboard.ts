import type { IncomingMessage, ServerResponse } from "node:http";
import { TLSSocket } from "node:tls";
import { VHOST_HEADER } from "../access/keys/backend.js";
import { hashKey } from "../access/keys/key-secret.js";
import type { Keyring } from "../access/keys/keyring.js";
import { verifyPassword } from "../access/keys/password-hash.js";
import { CarillonError, type ErrorCode, invalidArgument } from "../errors.js";
import { receiveBody } from "../net/body/receive-body.js";
import type { OpenRequestLease } from "../net/byte-budget.js";
import type { ClientAddress } from "../net/client-address.js";
import type { Handler } from "../net/http-handler.js";
import { toAddressKey } from "../net/ip-address.js";
import { refuseRequest, refuseRequestWith } from "../transport/admission/refuse.js";
import { allowReads, refuseMethod } from "../transport/http/methods.js";
import { isObject } from "../util/json.js";
import { DASHBOARD_PATH } from "./dashboard-files.js";
import { ACTING, READING } from "./dashboard-methods.js";
import type { DashboardSessions, SessionSecrets, SignedIn } from "./dashboard-sessions.js";
import { checkFromDashboard } from "./request-checks.js";
import type { SignInLimit } from "./sign-in-limit.js";

const COOKIE = "carillon_admin";

/** Header of the secret that the page keeps. */
const SECRET_HEADER = "carillon-dashboard-secret";

/** Largest body of a sign-in, in bytes. */
const SIGN_IN_BYTES = 4_096;

export interface DashboardOptions {
  readonly sessions: DashboardSessions;
  readonly limit: SignInLimit;
  readonly keyring: Pick<Keyring, "identifyHash" | "open">;
  /** Hash of the password; undefined if only keys can sign in. */
  readonly passwordHash: string | undefined;
  /** Whether the dashboard may change something. */
  readonly actions: boolean;
  /** Lifetime of a session in milliseconds. */
  readonly lifetime: number;
  /** State of access at present: for nobody, for everybody, or for those who have signed in. */
  readonly access: () => "closed" | "open" | "sign-in";
  /** Handlers of the dashboard's files, by path. */
  readonly files: ReadonlyMap<string, Handler>;
  /** Serves RPCs. */
  readonly rpc: Handler;
  /** Called for each attempt to sign in, and for each call that changes something. */
  readonly onEvent: (event: DashboardEvent) => void;
  readonly addressOf: ClientAddress;
  readonly openLease: OpenRequestLease;
}

/** `by`: how the user signed in: `password`, or the name of a key; "" without signing in. */
export type DashboardEvent =
  | { readonly kind: "refused"; readonly address: string; readonly code: ErrorCode }
  | { readonly kind: "signed in"; readonly address: string; readonly by: string }
  | { readonly kind: "action"; readonly address: string; readonly by: string; readonly method: string };

/** The dashboard at `/admin`: its files, its sessions, and its calls of RPCs. */
export class Dashboard {
  readonly #options: DashboardOptions;

  constructor(options: DashboardOptions) {
    this.#options = options;
  }

  /** Handlers by path. */
  createRoutes(): Map<string, Handler> {
    const { actions, files } = this.#options;
    const routes = new Map<string, Handler>();
    for (const [path, handler] of files) routes.set(path, this.#hideWhileClosed(handler));
    const describe = answerErrors((...exchange) => this.#describeSession(...exchange));
    routes.set(`${DASHBOARD_PATH}/session`, this.#hideWhileClosed(allowReads(describe)));
    routes.set(
      `${DASHBOARD_PATH}/sign-in`,
      this.#acceptOwnPosts((...exchange) => this.#signIn(...exchange)),
    );
    routes.set(
      `${DASHBOARD_PATH}/sign-out`,
      this.#acceptOwnPosts((...exchange) => this.#signOut(...exchange)),
    );
    for (const method of READING)
      routes.set(`${DASHBOARD_PATH}/rpc${method}`, this.#acceptOwnPosts(this.#caller(method)));
    for (const method of ACTING) {
      routes.set(
        `${DASHBOARD_PATH}/rpc${method}`,
        this.#acceptOwnPosts(actions ? this.#caller(method, true) : refuseAction),
      );
    }
    return routes;
  }

  /** Answers as if there were no dashboard while it is closed. */
  #hideWhileClosed(handler: Handler): Handler {
    return (request, response) => {
      if (this.#options.access() === "closed") refuseRequest(response, "not_found", `not found: ${request.url ?? ""}`);
      else handler(request, response);
    };
  }

  /** Accepts only POST requests of the dashboard's own page. */
  #acceptOwnPosts(handler: Exchange): Handler {
    const handle = answerErrors((request, response) => {
      checkFromDashboard(request.headers);
      return handler(request, response);
    });
    return this.#hideWhileClosed((request, response) => {
      if (request.method === "POST") handle(request, response);
      else refuseMethod(request.method, response, "POST");
    });
  }

  async #describeSession(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { access, actions, passwordHash } = this.#options;
    const signedIn = await this.#findSignedIn(readSecrets(request));
    answerJson(response, {
      required: access() === "sign-in",
      password: passwordHash !== undefined,
      actions,
      ...(signedIn === undefined ? {} : { signedIn: nameOf(signedIn) }),
    });
  }

  /** Finds who signed in. Ends a session whose key was revoked or lost the action `admin`. */
  async #findSignedIn(secrets: SessionSecrets | undefined): Promise<SignedIn | undefined> {
    const { sessions } = this.#options;
    const signedIn = (await sessions.find(secrets))?.signedIn;
    if (signedIn?.by !== "key" || this.#isValid(signedIn.keyHash)) return signedIn;
    sessions.end(secrets);
    return undefined;
  }

  async #signIn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { addressOf, lifetime, onEvent, openLease, sessions } = this.#options;
    const lease = openLease(request, undefined);
    response.once("close", () => {
      lease.release();
    });
    const body = await receiveBody(request, { lease, limit: SIGN_IN_BYTES, tooLarge: signInTooLarge });
    const { key, password } = readSignIn(body.toString("utf8"));
    const address = addressOf(request);
    const signedIn = await this.#attempt(address, () =>
      password === undefined ? Promise.resolve(this.#checkKey(hashKey(key))) : this.#checkPassword(password),
    );
    onEvent({ kind: "signed in", address, by: nameOf(signedIn) });
    // Secrets that someone else may know must not become those of a session.
    sessions.end(readSecrets(request));
    const { cookie, page } = sessions.begin(signedIn);
    response.setHeader("set-cookie", createCookie(request, cookie, Math.floor(lifetime / 1_000)));
    answerJson(response, { secret: page });
  }

  /** @throws CarillonError permission_denied: wrong password or key; resource_exhausted: too many attempts */
  async #attempt(address: string, check: () => Promise<SignedIn | undefined>): Promise<SignedIn> {
    const { limit, onEvent } = this.#options;
    try {
      const signedIn = await limit.attempt(toAddressKey(address), check);
      if (signedIn === undefined) throw new CarillonError("permission_denied", "wrong password or key");
      return signedIn;
    } catch (cause) {
      onEvent({ kind: "refused", address, code: CarillonError.from(cause).code });
      throw cause;
    }
  }

  #signOut(request: IncomingMessage, response: ServerResponse): void {
    this.#options.sessions.end(readSecrets(request));
    response.setHeader("set-cookie", createCookie(request, "", 0));
    answerJson(response, {});
  }

  /** Creates the handler that passes calls of a method on, with the rights of the session. */
  #caller(method: string, isAction = false): Exchange {
    return async (request, response) => {
      const { access, addressOf, onEvent, rpc, sessions } = this.#options;
      const session = await sessions.find(readSecrets(request));
      if (session === undefined && access() === "sign-in") throw new CarillonError("unauthenticated", "sign in first");
      if (isAction) onEvent({ kind: "action", address: addressOf(request), by: nameOf(session?.signedIn), method });
      const { headers } = request;
      delete headers.authorization;
      delete headers.cookie;
      delete headers[SECRET_HEADER];
      if (session !== undefined) headers.authorization = session.authorization;
      if (headers[VHOST_HEADER] === "") delete headers[VHOST_HEADER];
      request.url = method;
      rpc(request, response);
    };
  }

  #isValid(keyHash: string): boolean {
    try {
      return this.#checkKey(keyHash) !== undefined;
    } catch (cause) {
      // The keys may not have been read yet.
      return CarillonError.from(cause).code === "unavailable";
    }
  }

  async #checkPassword(password: string): Promise<SignedIn | undefined> {
    const { passwordHash } = this.#options;
    if (passwordHash === undefined) return undefined;
    return (await verifyPassword(password, passwordHash)) ? { by: "password" } : undefined;
  }

  /** @throws CarillonError permission_denied: the key lacks the action `admin`; unavailable: the keys are not loaded */
  #checkKey(keyHash: string): SignedIn | undefined {
    const { keyring } = this.#options;
    // Before the first key exists, every key would be accepted.
    if (keyring.open) return undefined;
    try {
      const { actions, name } = keyring.identifyHash(keyHash, undefined);
      if (actions.has("admin")) return { by: "key", keyHash, name };
    } catch (cause) {
      if (CarillonError.from(cause).code === "unauthenticated") return undefined;
      throw cause;
    }
    throw new CarillonError("permission_denied", 'this key lacks the action "admin"');
  }
}

type Exchange = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** Creates a handler that answers with the error that an exchange throws. */
function answerErrors(exchange: Exchange): Handler {
  return (request, response) => {
    Promise.resolve()
      .then(() => exchange(request, response))
      .catch((cause: unknown) => {
        // Discards the rest of the body, so that the caller reads the answer.
        request.resume();
        if (response.headersSent) response.destroy();
        else refuseRequestWith(response, CarillonError.from(cause));
      });
  };
}

/** Names how a user signed in. */
function nameOf(signedIn: SignedIn | undefined): string {
  if (signedIn === undefined) return "";
  return signedIn.by === "key" ? signedIn.name : "password";
}

function refuseAction(): never {
  throw new CarillonError("permission_denied", "the dashboard is read-only: see admin.actions in the configuration");
}

function signInTooLarge(limit: number): CarillonError {
  return invalidArgument(`the request is longer than ${limit} bytes`);
}

/** @throws CarillonError invalid_argument */
function readSignIn(body: string): { readonly password?: string; readonly key: string } {
  const parsed = tryParse(body);
  if (isObject(parsed)) {
    const { key, password } = parsed;
    if (typeof password === "string" && password !== "" && key === undefined) return { password, key: "" };
    if (typeof key === "string" && key !== "" && password === undefined) return { key };
  }
  throw invalidArgument("expected a JSON object with either password or key");
}

/** @returns undefined for text that is not JSON */
function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @returns undefined unless the request has both secrets of a session */
function readSecrets({ headers }: IncomingMessage): SessionSecrets | undefined {
  const cookie = new RegExp(`(?:^|; *)${COOKIE}=([\\w-]+)`).exec(headers.cookie ?? "")?.[1];
  const page = headers[SECRET_HEADER];
  return cookie === undefined || typeof page !== "string" ? undefined : { cookie, page };
}

/** @param maxAge - in seconds */
function createCookie({ headers, socket }: IncomingMessage, value: string, maxAge: number): string {
  // Behind a proxy that terminates TLS, only the origin tells the scheme of the browser's connection.
  const isSecure = socket instanceof TLSSocket || headers.origin?.startsWith("https:") === true;
  return `${COOKIE}=${value}; Path=${DASHBOARD_PATH}; Max-Age=${maxAge}; HttpOnly; SameSite=Strict${isSecure ? "; Secure" : ""}`;
}

function answerJson(response: ServerResponse, value: object): void {
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(`${JSON.stringify(value)}\n`);
}
