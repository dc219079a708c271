/**
 * How to start npm: `[file, ...first arguments]`. Below `npm test` the npm that was called is used again, run by this
 * Node: the `npm` that PATH holds may belong to another Node.
 */
export function npm() {
  const cli = process.env.npm_execpath;
  if (cli && /npm-cli\.c?js$/.test(cli)) return [process.execPath, cli];
  return ["npm"];
}
