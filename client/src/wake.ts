/** Whether the page is not visible. Outside of pages it is not hidden. */
export function isHidden(): boolean {
  return globalThis.document?.hidden ?? false;
}

/** Calls a function when the page is shown or restored, or the network is back. @param signal - ends this */
export function onWake(wake: () => void, signal: AbortSignal): void {
  const shown = (): void => {
    if (!isHidden()) wake();
  };
  globalThis.document?.addEventListener("visibilitychange", shown, { signal });
  for (const name of ["pageshow", "online"]) globalThis.addEventListener?.(name, wake, { signal });
}
