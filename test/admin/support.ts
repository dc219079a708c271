import type { TestNode } from "../support/nodes/node.js";

/** Hash of the password "correct horse", at the lowest cost that the configuration accepts. */
export const PASSWORD_HASH = "scrypt:14:8:1:BwcHBwcHBwcHBwcHBwcHBw:5TRHB2ApnfGdNDl3bNPaEguAozb-v0jyBBXcGVyselY";
export const PASSWORD = "correct horse";

export interface DashboardAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Headers;
}

const OWN = { "carillon-dashboard": "1", "content-type": "application/json" };

/** Sends a request as the dashboard's page does, unless headers say otherwise. */
export async function postToDashboard(
  { http }: Pick<TestNode, "http">,
  path: string,
  body: object = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<DashboardAnswer> {
  const response = await fetch(`${http}/admin/${path}`, {
    method: "POST",
    headers: { ...OWN, ...headers },
    body: JSON.stringify(body),
  });
  return toAnswer(response);
}

export async function readDashboardSession(
  { http }: TestNode,
  headers: Readonly<Record<string, string>> = {},
): Promise<DashboardAnswer> {
  return toAnswer(await fetch(`${http}/admin/session`, { headers }));
}

/** Headers of a session. */
export type SessionHeaders = { readonly cookie: string; readonly "carillon-dashboard-secret": string };

/** Signs in. @returns the headers of the session */
export async function signIn(node: TestNode, credentials: object = { password: PASSWORD }): Promise<SessionHeaders> {
  const { body, headers, status } = await postToDashboard(node, "sign-in", credentials);
  if (status !== 200) throw new Error(`the sign-in was refused (${status}): ${JSON.stringify(body)}`);
  const cookie = /^[^;]*/.exec(headers.get("set-cookie") ?? "")?.[0] ?? "";
  return { cookie, "carillon-dashboard-secret": String(body["secret"]) };
}

async function toAnswer(response: Response): Promise<DashboardAnswer> {
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text) as DashboardAnswer["body"], headers: response.headers };
}
