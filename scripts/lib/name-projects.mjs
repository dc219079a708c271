/** Adds the project, such as `grpc.server: native`, to the titles of tests, because the results as JSON do not name it. */
export default function nameProjects(results) {
  for (const { displayName, testResults } of results.testResults) {
    if (displayName === undefined) continue;
    for (const result of testResults) result.fullName += ` (${displayName.name})`;
  }
  return results;
}
