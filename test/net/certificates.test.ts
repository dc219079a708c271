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

/** Copies a certificate's files, so that a test may overwrite them. */
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

async function startWatched(
  options: Certificate & { clientCaFile?: string; clock?: Clock },
): Promise<{ watched: WatchedCertificates; used: SecureContextOptions[] }> {
  const watched = new WatchedCertificates(options);
  await watched.certificates.start();
  const used: SecureContextOptions[] = [];
  watched.certificates.use((context) => used.push(context));
  return { watched, used };
}

test.each<[string, (certificate: Certificate) => Partial<Certificate & { clientCaFile: string }>, RegExp]>([
  ["a missing certificate file", () => ({ certFile: "/nowhere/cert.pem" }), /^cannot read \/nowhere\/cert\.pem: /],
  ["a missing key file", () => ({ keyFile: "/nowhere/key.pem" }), /^cannot read \/nowhere\/key\.pem: /],
  ["a missing file of authorities", () => ({ clientCaFile: "/nowhere/ca.pem" }), /^cannot read \/nowhere\/ca\.pem: /],
  ["a folder", () => ({ certFile: "/" }), /^cannot read \/: /],
  [
    "a file without a certificate",
    () => ({ certFile: temporaryFile("cert.pem", "none") }),
    /^cannot use .*cert\.pem with .* for TLS/,
  ],
  ["an empty file", () => ({ certFile: temporaryFile("cert.pem", "") }), /^cannot use .*cert\.pem with .* for TLS/],
  ["a file without a key", ({ certFile }) => ({ keyFile: certFile }), /^cannot use .* for TLS/],
  [
    "a file without authorities",
    () => ({ clientCaFile: temporaryFile("ca.pem", "none") }),
    /^cannot use .*ca\.pem for/,
  ],
])("rejects start, with the file's name, for %s", async (_, broken, message) => {
  const certificate = await authority.issue("localhost");
  const watched = new WatchedCertificates({ ...certificate, ...broken(certificate) });
  await expect(watched.certificates.start()).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringMatching(message) as string,
  });
});

test("rejects start with the key of another certificate", async () => {
  const { certFile } = await authority.issue("localhost");
  const { keyFile } = await authority.issue("localhost");
  const watched = new WatchedCertificates({ certFile, keyFile });
  await expect(watched.certificates.start()).rejects.toMatchObject({ code: "failed_precondition" });
});

test("uses overwritten files when certificate and key match", async () => {
  const copy = copyOf(await authority.issueTo("CN=first"));
  const { used, watched } = await startWatched(copy);
  overwrite(copy, await authority.issueTo("CN=second"));
  expect(await watched.events.next()).toEqual({ subject: "CN=second", expires: expect.any(String) as string });
  expect(used).toHaveLength(2);
});

test("reports unusable files once, and keeps the old certificate until a valid one arrives", async () => {
  const copy = copyOf(await authority.issueTo("CN=first"));
  const { used, watched } = await startWatched(copy);
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

test("reloads the authorities of client certificates", async () => {
  const clientCaFile = temporaryFile("ca.pem", "");
  copyFileSync(authority.caFile, clientCaFile);
  const { used, watched } = await startWatched({ ...(await authority.issueTo("CN=first")), clientCaFile });
  copyFileSync((await TestAuthority.create()).caFile, clientCaFile);
  expect(await watched.events.next()).toMatchObject({ subject: "CN=first" });
  expect(used[1]?.ca).not.toEqual(used[0]?.ca);
});

test("polls the files when the system reports no changes", async () => {
  const clock = new ManualClock();
  const copy = copyOf(await authority.issueTo("CN=first"));
  // Never fires the timer that follows a reported change.
  const pollingClock: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (milliseconds, run) => (milliseconds < 1_000 ? () => {} : clock.after(milliseconds, run)),
  };
  const { watched } = await startWatched({ ...copy, clock: pollingClock });
  for (const name of ["second", "third"]) {
    overwrite(copy, await authority.issueTo(`CN=${name}`));
    clock.advance(10_000);
    expect(await watched.events.next()).toMatchObject({ subject: `CN=${name}` });
  }
});

test("reports unusable files once when it polls them repeatedly", async () => {
  const clock = new ManualClock();
  const copy = copyOf(await authority.issueTo("CN=first"));
  const { watched } = await startWatched({ ...copy, clock });
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

test("has no timer after stop", async () => {
  const clock = new ManualClock();
  const { watched } = await startWatched({ ...(await authority.issue("localhost")), clock });
  expect(clock.timers).toBe(1);
  watched.certificates.stop();
  expect(clock.timers).toBe(0);
});

test("O10: keeps key material out of errors", async () => {
  const copy = copyOf(await authority.issueTo("CN=first"));
  const { watched } = await startWatched(copy);
  const secret = "c2VjcmV0LWtleS1tYXRlcmlhbA";
  writeFileSync(copy.keyFile, `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`);
  chmodSync(copy.keyFile, 0o600);
  expect(JSON.stringify(await watched.events.next())).not.toContain(secret);
});
