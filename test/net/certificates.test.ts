import { chmodSync, copyFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SecureContextOptions } from "node:tls";
import type { Clock } from "../../src/core/ports.js";
import { ManualClock } from "../support/manual-clock.js";
import { type Certificate, TestAuthority } from "../support/net/certificates.js";
import { WatchedCertificates } from "../support/net/tls.js";
import { temporaryFile, temporaryFolder } from "../support/temporary-files.js";

let authority: TestAuthority;

beforeEach(async () => {
  authority = await TestAuthority.create();
});

/** A copy of a certificate's files, which may be overwritten. */
function copyOf({ certFile, keyFile }: Certificate): Certificate {
  const folder = temporaryFolder();
  const copy = { certFile: join(folder, "cert.pem"), keyFile: join(folder, "key.pem") };
  overwrite(copy, { certFile, keyFile });
  return copy;
}

function overwrite(target: Certificate, { certFile, keyFile }: Certificate): void {
  copyFileSync(certFile, target.certFile);
  copyFileSync(keyFile, target.keyFile);
}

async function started(
  options: Certificate & { clientCaFile?: string; clock?: Clock },
): Promise<{ watched: WatchedCertificates; used: SecureContextOptions[] }> {
  const watched = new WatchedCertificates(options);
  await watched.certificates.start();
  const used: SecureContextOptions[] = [];
  watched.certificates.use((context) => used.push(context));
  return { watched, used };
}

test.each<[string, (certificate: Certificate) => Partial<Certificate & { clientCaFile: string }>, RegExp]>([
  ["a certificate that is not there", () => ({ certFile: "/nowhere/cert.pem" }), /^cannot read \/nowhere\/cert\.pem: /],
  ["a key that is not there", () => ({ keyFile: "/nowhere/key.pem" }), /^cannot read \/nowhere\/key\.pem: /],
  ["authorities that are not there", () => ({ clientCaFile: "/nowhere/ca.pem" }), /^cannot read \/nowhere\/ca\.pem: /],
  ["a folder", () => ({ certFile: "/" }), /^cannot read \/: /],
  [
    "no certificate",
    () => ({ certFile: temporaryFile("cert.pem", "none") }),
    /^cannot use .*cert\.pem with .* for TLS/,
  ],
  ["an empty file", () => ({ certFile: temporaryFile("cert.pem", "") }), /^cannot use .*cert\.pem with .* for TLS/],
  ["no key", ({ certFile }) => ({ keyFile: certFile }), /^cannot use .* for TLS/],
  ["authorities that are none", () => ({ clientCaFile: temporaryFile("ca.pem", "none") }), /^cannot use .*ca\.pem for/],
])("a start with %s fails and names the file", async (_, broken, message) => {
  const certificate = await authority.issue("localhost");
  const watched = new WatchedCertificates({ ...certificate, ...broken(certificate) });
  await expect(watched.certificates.start()).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringMatching(message) as string,
  });
});

test("a start with the key of another certificate fails", async () => {
  const { certFile } = await authority.issue("localhost");
  const { keyFile } = await authority.issue("localhost");
  const watched = new WatchedCertificates({ certFile, keyFile });
  await expect(watched.certificates.start()).rejects.toMatchObject({ code: "failed_precondition" });
});

test("files that are overwritten are used when they fit together", async () => {
  const copy = copyOf(await authority.issueTo("CN=first"));
  const { used, watched } = await started(copy);
  overwrite(copy, await authority.issueTo("CN=second"));
  expect(await watched.events.next()).toEqual({ subject: "CN=second", expires: expect.any(String) as string });
  expect(used).toHaveLength(2);
});

test("what cannot be used is said once, and the certificate before stays in use until there is a good one", async () => {
  const copy = copyOf(await authority.issueTo("CN=first"));
  const { used, watched } = await started(copy);
  const second = await authority.issueTo("CN=second");
  copyFileSync(second.certFile, copy.certFile);
  expect(await watched.events.next()).toMatch(/^cannot use .* for TLS: /);
  writeFileSync(`${copy.certFile}.other`, "another file in the folder");
  rmSync(copy.keyFile);
  expect(await watched.events.next()).toMatch(/^cannot read .*key\.pem: /);
  copyFileSync(second.keyFile, `${copy.keyFile}.new`);
  renameSync(`${copy.keyFile}.new`, copy.keyFile);
  expect(await watched.events.next()).toMatchObject({ subject: "CN=second" });
  expect(used).toHaveLength(2);
  expect(watched.events.unread).toEqual([]);
});

test("authorities for clients are read again too", async () => {
  const clientCaFile = temporaryFile("ca.pem", "");
  copyFileSync(authority.caFile, clientCaFile);
  const { used, watched } = await started({ ...(await authority.issueTo("CN=first")), clientCaFile });
  copyFileSync((await TestAuthority.create()).caFile, clientCaFile);
  expect(await watched.events.next()).toMatchObject({ subject: "CN=first" });
  expect(used[1]?.ca).not.toEqual(used[0]?.ca);
});

test("the files are looked at from time to time, whatever the system tells of changes", async () => {
  const clock = new ManualClock();
  const copy = copyOf(await authority.issueTo("CN=first"));
  // The time never comes at which a change that was told of is looked at.
  const deaf: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (milliseconds, run) => (milliseconds < 1_000 ? () => {} : clock.after(milliseconds, run)),
  };
  const { watched } = await started({ ...copy, clock: deaf });
  for (const name of ["second", "third"]) {
    overwrite(copy, await authority.issueTo(`CN=${name}`));
    clock.advance(10_000);
    expect(await watched.events.next()).toMatchObject({ subject: `CN=${name}` });
  }
});

test("what cannot be used is not said at each look", async () => {
  const clock = new ManualClock();
  const copy = copyOf(await authority.issueTo("CN=first"));
  const { watched } = await started({ ...copy, clock });
  const first = await authority.issueTo("CN=first");
  for (const name of ["second", "third"]) {
    copyFileSync(first.certFile, copy.certFile);
    for (let look = 0; look < 3; look += 1) clock.advance(10_000);
    expect(await watched.events.next()).toMatch(/^cannot use /);
    overwrite(copy, await authority.issueTo(`CN=${name}`));
    clock.advance(10_000);
    expect(await watched.events.next()).toMatchObject({ subject: `CN=${name}` });
  }
});

test("what has stopped reads no more, and has no timer", async () => {
  const clock = new ManualClock();
  const { watched } = await started({ ...(await authority.issue("localhost")), clock });
  expect(clock.timers).toBe(1);
  watched.certificates.stop();
  expect(clock.timers).toBe(0);
});

test("O10: nothing of a key is told", async () => {
  const copy = copyOf(await authority.issueTo("CN=first"));
  const { watched } = await started(copy);
  const secret = "c2VjcmV0LWtleS1tYXRlcmlhbA";
  writeFileSync(copy.keyFile, `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`);
  chmodSync(copy.keyFile, 0o600);
  expect(JSON.stringify(await watched.events.next())).not.toContain(secret);
});
