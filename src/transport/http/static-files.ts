import { readFileSync } from "node:fs";
import { extname } from "node:path";
import type { Handler } from "../../net/http-handler.js";
import { allowReads } from "./methods.js";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Whether a file can be served, by its extension. */
export function isServable(file: string): boolean {
  return TYPES[extname(file)] !== undefined;
}

/**
 * Reads a file, and creates its handler.
 * @param connections - sources that the page may connect to, as of `connect-src`
 */
export function createFileHandler(file: string, connections: string): Handler {
  const body = readFileSync(file);
  const headers = {
    "cache-control": "no-cache",
    "content-security-policy":
      `default-src 'none'; script-src 'self'; style-src 'self'; connect-src ${connections}; img-src 'self' data:; ` +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "content-length": body.length,
  };
  return allowReads((_request, response) => {
    response.writeHead(200, headers);
    response.end(body);
  });
}
