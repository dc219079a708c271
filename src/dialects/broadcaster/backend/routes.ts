import type { IncomingMessage, ServerResponse } from "node:http";
import type { Handler } from "../../../net/http-handler.js";
import { answer, answerWrongMethod } from "./answer.js";
import { handlePublish, type PublishOptions } from "./publish.js";

export interface BroadcasterRoutesOptions extends PublishOptions {
  /** Prefix of all paths, such as `/broadcaster`. */
  readonly base: string;
}

/** Creates the HTTP interface for Broadcaster's backends, by path: publishing, and a health check. */
export function createBroadcasterRoutes(options: BroadcasterRoutesOptions): ReadonlyMap<string, Handler> {
  const { base } = options;
  return new Map<string, Handler>([
    [`${base}/health`, handleHealth],
    [
      `${base}/publish`,
      (request, response) => {
        void handlePublish(request, response, options);
      },
    ],
  ]);
}

function handleHealth(request: IncomingMessage, response: ServerResponse): void {
  const { method } = request;
  if (method === "GET" || method === "HEAD") answer(request, response, { body: "ok", type: "text/plain" });
  else answerWrongMethod(request, response, "GET, HEAD");
}
