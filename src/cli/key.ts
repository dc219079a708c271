import { text } from "node:stream/consumers";
import { BACKEND_ACTIONS } from "../access/decide/actions.js";
import { createKey, hashKey } from "../access/keys/key-secret.js";
import { CarillonError } from "../errors.js";
import { KEY_NAME } from "../util/names.js";
import { EXIT, fail } from "./exit-code.js";
import { printJson } from "./terminal/print.js";

export interface CreateKeyFlags {
  readonly name: string;
  readonly json?: true;
}

/** Prints a new key, which is not stored, and the configuration entry that accepts it. */
export function createKeyCommand({ json, name }: CreateKeyFlags): void {
  if (!KEY_NAME.test(name)) {
    fail(new CarillonError("invalid_argument", "--name: expected letters, digits, _, . and -"), EXIT.usage);
    return;
  }
  const { hash, secret } = createKey();
  if (json === true) {
    printJson({ name, key: secret, hash: `sha256:${hash}` });
    return;
  }
  process.stdout.write(`${secret}\n`);
  // On stderr, so that `KEY=$(carillon key create)` captures only the key.
  process.stderr.write(`
The key is shown only once. Add this to the vhost's "keys" in the configuration:

      - name: ${name}
        hash: sha256:${hash}
        actions: ["*"]   # or some of ${BACKEND_ACTIONS.join(", ")}
`);
}

/** Reads a key from stdin and prints its hash for the configuration. */
export async function hashKeyCommand(): Promise<void> {
  const key = (await text(process.stdin)).trim();
  if (key === "") fail(new CarillonError("invalid_argument", "expected a key on stdin"), EXIT.usage);
  else process.stdout.write(`sha256:${hashKey(key)}\n`);
}
