/**
 * Returns the command that starts npm, `[file, ...first arguments]`. Under `npm test` it runs the same npm with this Node,
 * because the `npm` on the PATH may belong to another Node.
 */
export function npm() {
  const cli = process.env.npm_execpath;
  if (cli && /npm-cli\.c?js$/.test(cli)) return [process.execPath, cli];
  return ["npm"];
}
