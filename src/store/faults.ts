import { CarillonError } from "../errors.js";

/** What every driver says when an entry is not as the caller takes it to be. Keys are no secrets; values may be. */
export function alreadyExists(key: string): CarillonError {
  return new CarillonError("already_exists", `store entry ${key} exists already`);
}

export function hasChanged(key: string): CarillonError {
  return new CarillonError("failed_precondition", `store entry ${key} has changed or is gone`);
}
