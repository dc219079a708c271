import { readFileSync } from "node:fs";
import { npm } from "./npm.mjs";
import { inRoot } from "./paths.mjs";
import { run } from "./run.mjs";
import { SetupError } from "./say.mjs";

/**
 * Returns the software bill of materials of a package, in CycloneDX: the packages of package-lock.json that it needs to run.
 * `npm sbom --omit=dev` leaves out packages that are needed for development too, so the list is cut here.
 * @param folder - of package.json, relative to the root: "." or "client"
 */
export async function createSbom(folder) {
  const [file, ...first] = npm();
  const { code, output } = await run(file, [...first, "sbom", "--sbom-format=cyclonedx", "--package-lock-only"]);
  if (code !== 0) throw new SetupError(`npm sbom failed (exit code ${code}); npm 10 or newer is needed.\n${output}`);
  const all = JSON.parse(output.slice(output.indexOf("{")));
  const {
    dependencies = {},
    description,
    license,
    name,
    optionalDependencies = {},
    version,
  } = JSON.parse(readFileSync(inRoot(folder, "package.json"), "utf8"));
  const own = `${name}@${version}`;
  const byRef = new Map(all.components.map((component) => [component["bom-ref"], component]));
  const edges = new Map(all.dependencies.map(({ dependsOn = [], ref }) => [ref, dependsOn]));
  const direct = (edges.get(own) ?? []).filter((ref) => {
    const component = byRef.get(ref);
    return (
      component && (Object.hasOwn(dependencies, component.name) || Object.hasOwn(optionalDependencies, component.name))
    );
  });
  const reached = new Set(direct);
  // Entries that are added in the loop are visited too.
  for (const ref of reached) for (const next of edges.get(ref) ?? []) reached.add(next);
  const { component: _, ...metadata } = all.metadata;
  return {
    ...all,
    metadata: {
      ...metadata,
      component: {
        "bom-ref": own,
        type: name === "carillon" ? "application" : "library",
        name,
        version,
        description,
        purl: `pkg:npm/${name}@${version}`,
        licenses: [{ license: { id: license } }],
      },
    },
    components: [...reached].map((ref) => byRef.get(ref)).filter(Boolean),
    dependencies: [
      { ref: own, dependsOn: direct },
      ...[...reached].map((ref) => ({ ref, dependsOn: edges.get(ref) ?? [] })),
    ],
  };
}
