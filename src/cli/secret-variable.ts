import { readFileSync } from "node:fs";
import { invalidArgument } from "../errors.js";
import { errorText } from "../util/native-error.js";

/**
 * Reads a secret from a variable, or from the file that the variable with the suffix `_FILE` names; undefined for neither.
 * @throws CarillonError invalid_argument: the file cannot be read
 */
export function readSecretVariable(name: string): string | undefined {
  const { [name]: secret, [`${name}_FILE`]: file } = process.env;
  if (secret !== undefined || file === undefined) return secret;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw invalidArgument(`${name}_FILE: ${errorText(cause)}`);
  }
}
