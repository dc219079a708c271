// npm run release -- prepare VERSION | pack | sbom [PACKAGE]: the steps of docs/releasing.md. Publishes nothing.
import { install } from "./lib/install.mjs";
import { main } from "./lib/main.mjs";
import { FOLDERS, packRelease, prepareRelease } from "./lib/release.mjs";
import { SetupError, say } from "./lib/say.mjs";
import { createSbom } from "./lib/sbom.mjs";

const USAGE = `usage: npm run release -- STEP
  prepare VERSION   set the version everywhere, and date its section of CHANGELOG.md
  pack              check, build, pack both packages with bills of materials, and install them from the tarballs
  sbom [PACKAGE]    print the bill of materials of carillon, or of carillon-client`;

const STEPS = {
  async prepare([version = ""]) {
    await prepareRelease(version);
    say(`now run npm test, commit, and tag the commit with v${version}`);
  },
  async pack() {
    await install();
    const folder = await packRelease();
    say(`ready to be published: npm publish ${folder}/*.tgz`);
  },
  async sbom([name = "carillon"]) {
    const folder = FOLDERS[name];
    if (folder === undefined)
      throw new SetupError(`unknown package "${name}"; known: ${Object.keys(FOLDERS).join(", ")}`);
    process.stdout.write(`${JSON.stringify(await createSbom(folder), undefined, 2)}\n`);
  },
};

await main(async () => {
  const [step = "", ...args] = process.argv.slice(2);
  if (!Object.hasOwn(STEPS, step)) throw new SetupError(USAGE);
  await STEPS[step](args);
});
