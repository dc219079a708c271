import { once } from "node:events";
import { WebSocket } from "ws";
import type { Node } from "../support/carillon.js";

/** Input that might block the event loop. */
export interface Attack {
  readonly name: string;
  /**
   * Resolves when the node has handled the input.
   * @param size - fraction of the full size, from 0 to 1
   * @returns closes what the attack has opened, if closing is not to be measured
   */
  readonly run: (node: StallNode, size: number, tokens: Tokens) => Promise<(() => void) | void>;
}

/** Node under attack. */
export interface StallNode extends Node {
  /** URL of WebRocket's admin interface, and its cookie. */
  readonly webrocketAdmin: string;
  readonly webrocketCookie: string;
}

/** Tokens for the attacks that need one. */
export interface Tokens {
  /** Permissions with regular expressions that weigh 150. */
  readonly heavy: string;
  /** Permissions that exceed the weight limit of a token. */
  readonly tooHeavy: string;
  /** Well-formed tokens with invalid signatures, by path. */
  readonly forged: Readonly<Record<"/rsa" | "/ed", string>>;
}

export const SLOW = "re:[ab]*a[ab]{60}c";

/** Restarts the measurement, so that earlier work does not count. */
export function restartWatch({ child }: StallNode): Promise<void> {
  return child.ask("watchLoop");
}

export async function open({ port }: StallNode, token?: string): Promise<WebSocket> {
  const query = token === undefined ? "" : `?token=${token}`;
  const client = new WebSocket(`ws://127.0.0.1:${port}/ws${query}`, { perMessageDeflate: false });
  await once(client, "open");
  return client;
}

/** Sends frames in one write and waits for an answer to each. */
export async function exchange(node: StallNode, frames: readonly (object | string)[], token?: string): Promise<void> {
  const client = await open(node, token);
  let answers = 0;
  const done = new Promise<void>((resolve, reject) => {
    client.on("message", () => {
      answers += 1;
      if (answers === frames.length) resolve();
    });
    client.on("close", (code) => reject(new Error(`closed with ${code}`)));
  });
  for (const frame of frames) client.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  if (frames.length > 0) await done;
  client.terminate();
}

/** @param vhost - `/`, or another path */
export async function joined({ port }: StallNode, vhost: string, topics: readonly string[]): Promise<WebSocket> {
  const path = vhost === "/" ? "" : vhost;
  const client = new WebSocket(`ws://127.0.0.1:${port}/ws${path}`, { perMessageDeflate: false });
  await once(client, "open");
  client.send(JSON.stringify({ command: "join", topics }));
  await once(client, "message");
  return client;
}

export async function post(
  { port }: StallNode,
  body: string,
  method = "websockets.v1.BroadcastService/Publish",
  vhost = "/",
): Promise<void> {
  const headers = { "content-type": "application/json", "carillon-vhost": vhost };
  const response = await fetch(`http://127.0.0.1:${port}/${method}`, { method: "POST", headers, body });
  await response.text();
}

export function names(count: number, prefix = "topic-"): string[] {
  return Array.from({ length: Math.ceil(count) }, (_, number) => `${prefix}${number}`);
}

/** Returns distinct names of the letters a and b; up to 65,536. */
export function hostileNames(count: number, length: number): string[] {
  return Array.from({ length: Math.ceil(count) }, (_, number) =>
    number.toString(2).padStart(16, "0").replaceAll("0", "a").replaceAll("1", "b").padStart(length, "ba"),
  );
}

/** Returns objects with one member each and distinct member names. */
export function namedObjects(count: number): object[] {
  return Array.from({ length: Math.ceil(count) }, (_, number) => ({ [`n${number.toString(36)}`]: 1 }));
}

export function shortTexts(count: number): string[] {
  return Array.from({ length: Math.ceil(count) }, (_, number) => number.toString(36));
}
