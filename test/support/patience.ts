/**
 * Milliseconds after which a wait has failed. Below the time limit of a test, so that the failure says what was awaited, and far
 * above what a busy machine needs.
 */
export const PATIENCE = 240_000;
