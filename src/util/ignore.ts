/** Ignores an event or a rejection that another code path reports. */
export function ignore(): void {}
