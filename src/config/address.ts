import { z } from "zod";
import { parseAddress } from "../util/address.js";

/** Where to listen. */
export const address = z.string().transform((text, context) => {
  const parsed = parseAddress(text);
  if (parsed === undefined) {
    context.addIssue({ code: "custom", message: "expected HOST:PORT, such as 127.0.0.1:8080" });
    return z.NEVER;
  }
  return parsed;
});
