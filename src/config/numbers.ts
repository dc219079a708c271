import { z } from "zod";

/** A whole number from `least` to `most`. */
export function count(least: number, most: number): z.ZodNumber {
  return z.number().int().min(least).max(most);
}
