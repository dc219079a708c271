/** Handles an event or a rejection whose outcome another path reports. Each use says which. */
export function ignore(): void {}
