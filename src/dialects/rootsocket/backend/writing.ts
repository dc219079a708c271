import type { ServerResponse } from "node:http";
import { CarillonError } from "../../../errors.js";
import { withResolvers } from "../../../util/with-resolvers.js";

/**
 * Writes a part of an answer. Resolves when the connection accepts more, so that a slow reader slows the writer down.
 * @throws CarillonError cancelled: the reader has disconnected
 */
export async function write(response: ServerResponse, text: string): Promise<void> {
  if (response.destroyed) throw gone();
  if (response.write(text)) return;
  const { promise, reject, resolve } = withResolvers<void>();
  const onDrain = (): void => resolve(undefined);
  const onClose = (): void => reject(gone());
  response.once("drain", onDrain);
  response.once("close", onClose);
  try {
    await promise;
  } finally {
    response.off("drain", onDrain);
    response.off("close", onClose);
  }
}

function gone(): CarillonError {
  return new CarillonError("cancelled", "the reader has disconnected");
}
