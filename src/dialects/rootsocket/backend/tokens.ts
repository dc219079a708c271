import { CarillonError } from "../../../errors.js";
import { answerJson } from "../../backend-http.js";
import { readBody, readChannel } from "./body.js";
import type { RestMethod } from "./call.js";

/** Issues tokens for the clients of one vhost. */
export interface ConnectionTokenIssuer {
  /** @throws CarillonError unavailable */
  createConnectionToken(
    bearer: Readonly<Record<string, never>>,
    settings: undefined,
    lifetime: undefined,
    only: "rootsocket",
  ): Promise<{ readonly token: string }>;
  createChannelToken(channel: string): Promise<{ readonly token: string }>;
}

/** @param issuerFor - throws CarillonError not_found if the vhost has been deleted */
export function createConnectionTokensMethod(issuerFor: (vhost: string) => ConnectionTokenIssuer): RestMethod {
  return {
    action: "tokens",
    handle: async ({ backend, request, response }) => {
      const { token } = await issuerFor(backend.vhost).createConnectionToken({}, undefined, undefined, "rootsocket");
      answerJson(request, response, CREATED, { token });
    },
  };
}

export function createChannelTokensMethod(issuerFor: (vhost: string) => ConnectionTokenIssuer): RestMethod {
  return {
    action: "tokens",
    handle: async (call) => {
      const { backend, request, response } = call;
      const { fields } = await readBody(call);
      // Clients that request a channel token themselves omit the category.
      if ((fields["category"] ?? CHANNEL_CATEGORY) !== CHANNEL_CATEGORY) {
        throw new CarillonError("invalid_argument", `category: expected ${CHANNEL_CATEGORY} (a channel token)`);
      }
      const { token } = await issuerFor(backend.vhost).createChannelToken(readChannel(backend, fields));
      answerJson(request, response, CREATED, { token });
    },
  };
}

const CREATED = 201;

/** Source: rootsocket's sheet. */
const CHANNEL_CATEGORY = 1;
