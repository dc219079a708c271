import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type { AccessSettings } from "../access/authenticators/vhost-access.js";
import type { JsonObject } from "../access/decide/principal.js";
import { listFileSettings } from "../config/redact.js";
import type { VhostSettings } from "../config/vhost.js";
import type { Vhost, VhostDefinition, VhostParts } from "./vhost.js";

/** Hashes of the files that a vhost's settings name, by the settings' paths. Unreadable files have the hash "". */
type FileContents = ReadonlyMap<string, string>;

/** Changes of the vhosts of the configuration file. */
export interface ConfiguredChanges {
  /** Definitions of new and changed vhosts, by path. */
  readonly definitions: ReadonlyMap<string, VhostDefinition>;
  /** Paths of the settings whose files have changed. */
  readonly changedFiles: readonly string[];
  /** Remembers the files as they were read, because the changes have been applied. */
  readonly accept: () => void;
  /** Stops the parts that were made for the changes, which are not applied. */
  readonly cancel: () => void;
}

/** Settings of the configuration file that are ready to be applied. */
export interface PreparedVhosts {
  /** Paths of the settings whose files have changed. */
  readonly changedFiles: readonly string[];
  /**
   * Applies the settings at once. Resolves when they have been applied to the clients of this node.
   * @throws CarillonError already_exists: a key of another vhost; nothing changes
   */
  commit(): Promise<unknown>;
  /** Ends the preparation, instead of `commit`. */
  cancel(): void;
}

/** Creates definitions of the vhosts of the configuration file, and finds changes in the files that they name. */
export class ConfiguredVhosts {
  readonly #makeParts: (path: string, settings: VhostSettings) => VhostParts;
  /** Files as they were read; by vhost. */
  #files = new Map<string, FileContents>();

  /** @param makeParts - throws CarillonError invalid_argument: unusable settings */
  constructor(makeParts: (path: string, settings: VhostSettings) => VhostParts) {
    this.#makeParts = makeParts;
  }

  /**
   * Prepares the definitions of those vhosts whose settings or files have changed.
   * @param find - returns a vhost of the node
   * @throws CarillonError invalid_argument, failed_precondition: unusable settings, with their names
   */
  prepare(
    configured: Readonly<Record<string, VhostSettings>>,
    find: (path: string) => Vhost | undefined,
  ): ConfiguredChanges {
    const made: VhostParts[] = [];
    const cancel = (): void => {
      for (const parts of made) parts.stop();
    };
    const definitions = new Map<string, VhostDefinition>();
    const files = new Map<string, FileContents>();
    const changedFiles: string[] = [];
    try {
      for (const [path, settings] of Object.entries(configured)) {
        const rawSettings = toJson(settings);
        const contents = readFileContents(rawSettings);
        files.set(path, contents);
        const found = find(path);
        const known = found?.configured === true ? found : undefined;
        const changed = known === undefined ? [] : findChangedFiles(this.#files.get(path) ?? new Map(), contents);
        if (known !== undefined && changed.length === 0 && isDeepStrictEqual(known.settings, settings)) continue;
        changedFiles.push(...changed.map((setting) => `vhosts.${path}.${setting}`));
        const keeps = known !== undefined && changed.length === 0 && hasSameParts(known.settings, settings);
        const parts = keeps ? known.parts : this.#makeParts(path, settings);
        if (!keeps) made.push(parts);
        const dialects = parts.forDialects(settings);
        definitions.set(path, { configured: true, settings, rawSettings, parts, dialects });
      }
    } catch (error) {
      cancel();
      throw error;
    }
    const accept = (): void => {
      this.#files = files;
    };
    return { definitions, changedFiles, accept, cancel };
  }
}

/** Whether two versions of a vhost's settings have the same parts, so that issuers' keys and hook calls survive. */
export function hasSameParts(some: VhostSettings, others: VhostSettings): boolean {
  return isDeepStrictEqual(pickPartSettings(some), pickPartSettings(others));
}

/** Picks the settings that determine the parts: hooks and access. Does not compile when a member is missing. */
function pickPartSettings({
  anonymous,
  hooks,
  jwt,
  tokens,
}: VhostSettings): AccessSettings & Pick<VhostSettings, "hooks"> {
  const known: Complete<AccessSettings> = { anonymous, jwt, tokens };
  return { ...known, hooks };
}

/** Requires every member, including optional ones. */
type Complete<T> = { [K in keyof Required<T>]: T[K] };

/** Copies settings without undefined members. */
function toJson(settings: VhostSettings): JsonObject {
  return JSON.parse(JSON.stringify(settings)) as JsonObject;
}

function readFileContents(settings: JsonObject): FileContents {
  return new Map(listFileSettings(settings).map(([path, file]) => [path, hashFile(file)]));
}

/** Lists the settings whose files have changed. */
function findChangedFiles(before: FileContents, after: FileContents): string[] {
  return [...after].filter(([path, hash]) => before.get(path) !== hash).map(([path]) => path);
}

function hashFile(file: string): string {
  try {
    return createHash("sha256").update(readFileSync(file)).digest("hex");
  } catch {
    return "";
  }
}
