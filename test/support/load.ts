/**
 * How many times longer than on a quiet machine something may take on a loaded one: a factor for times that a test measures.
 * Exact times are shown with a manual clock.
 */
export const LOAD = 10;
