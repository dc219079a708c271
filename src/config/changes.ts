import { isDeepStrictEqual } from "node:util";
import { isObject } from "../util/json.js";
import { LIVE } from "./schema-builder.js";
import { findChildren, isMap, type SchemaNode } from "./schema-node.js";

/**
 * Combines two configurations, in the form of a file: the live settings of `next`, and all other settings of `running`.
 * @param isLive - whether the settings around `node` are live
 * @returns undefined if neither has the setting
 */
export function pickLive(node: SchemaNode, next: unknown, running: unknown, isLive = false): unknown {
  const applies = node[LIVE] ?? isLive;
  const { properties } = node;
  if (properties === undefined) return applies ? next : running;
  const [after, before] = [next ?? {}, running ?? {}];
  if (!isObject(after) || !isObject(before)) return applies ? next : running;
  const picked: Record<string, unknown> = {};
  for (const [key, child] of Object.entries(properties)) {
    const value = pickLive(child, after[key], before[key], applies);
    if (value !== undefined) picked[key] = value;
  }
  return Object.keys(picked).length === 0 && running === undefined ? undefined : picked;
}

/** Yields the paths of the settings that differ. An entry of a map that is new or missing counts as one. */
export function* findChanges(
  node: SchemaNode | undefined,
  before: unknown,
  after: unknown,
  path: readonly string[] = [],
): Generator<readonly string[]> {
  if (isDeepStrictEqual(before, after)) return;
  const isOpen = node !== undefined && (node.properties !== undefined || isMap(node) || node.oneOf !== undefined);
  if (!isOpen || !isObject(before) || !isObject(after)) {
    yield path;
    return;
  }
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    yield* findChanges(findChildren(node, key)[0], before[key], after[key], [...path, key]);
  }
}
