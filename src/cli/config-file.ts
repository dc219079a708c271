import { existsSync } from "node:fs";

/** The configuration file: the one named, that of the environment, or carillon.yaml in the working directory; else none. */
export function configFile(named: string | undefined): string | undefined {
  return named ?? process.env["CARILLON_CONFIG"] ?? (existsSync("carillon.yaml") ? "carillon.yaml" : undefined);
}
