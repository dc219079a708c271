import { existsSync } from "node:fs";

/**
 * Finds the configuration file: the named one, CARILLON_CONFIG, or carillon.yaml in the working directory; else
 * undefined.
 */
export function findConfigFile(named: string | undefined): string | undefined {
  return named ?? process.env["CARILLON_CONFIG"] ?? (existsSync("carillon.yaml") ? "carillon.yaml" : undefined);
}
