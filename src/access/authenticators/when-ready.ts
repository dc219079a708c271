/**
 * Calls a function with a value: in this turn where the value is there, and otherwise when its promise is fulfilled. A turn of
 * the event loop that need not wait costs no promise.
 * @returns the function's result; a promise where the value is one
 */
export function whenReady<Value, Result>(
  value: Value | Promise<Value>,
  use: (value: Value) => Result,
): Result | Promise<Result> {
  return value instanceof Promise ? value.then(use) : use(value);
}
