import type { IncomingMessage, ServerResponse } from "node:http";
import { answer, answerWrongMethod } from "./answer.js";
import { handlePublish, type PublishOptions } from "./publish.js";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface BroadcasterRoutesOptions extends PublishOptions {
  /** What all paths begin with, such as /broadcaster. */
  readonly base: string;
}

/** What broadcaster's backends ask over HTTP, by path: to have a message published, and whether the server lives. */
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
