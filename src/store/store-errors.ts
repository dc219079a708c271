import { CarillonError } from "../errors.js";

/** Error of every driver for a key that is in use. The text shows the key, which is never a secret; a value may be. */
export function alreadyExists(key: string): CarillonError {
  return new CarillonError("already_exists", `store entry ${key} already exists`);
}

/** Error of every driver for an entry that does not have the expected revision. */
export function hasChanged(key: string): CarillonError {
  return new CarillonError("failed_precondition", `store entry ${key} has changed or is gone`);
}
