import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import { temporaryFolder } from "../temporary-files.js";

x509.cryptoProvider.set(webcrypto as unknown as Crypto);

const KEYS = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const A_DAY = 24 * 60 * 60 * 1_000;

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A certificate authority that issues certificates as PEM files, which are removed after the test. */
export class TestAuthority {
  readonly #folder = temporaryFolder();
  readonly #certificate: x509.X509Certificate;
  readonly #key: webcrypto.CryptoKey;
  #count = 0;

  private constructor(certificate: x509.X509Certificate, key: webcrypto.CryptoKey) {
    this.#certificate = certificate;
    this.#key = key;
    writeFileSync(this.caFile, certificate.toString("pem"));
  }

  static async create(): Promise<TestAuthority> {
    const keys = await webcrypto.subtle.generateKey(KEYS, true, ["sign", "verify"]);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      ...lifetime(),
      serialNumber: "01",
      name: "CN=ca",
      keys,
      signingAlgorithm: KEYS,
      extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
    });
    return new TestAuthority(certificate, keys.privateKey);
  }

  get caFile(): string {
    return join(this.#folder, "ca.pem");
  }

  /** @param names - host names and IP addresses of the certificate */
  issue(...names: readonly string[]): Promise<Certificate> {
    return this.issueTo("CN=test", ...names);
  }

  /** @param subject - in the syntax of RFC 2253, in reverse order: `O=Acme, CN=worker` */
  async issueTo(subject: string, ...names: readonly string[]): Promise<Certificate> {
    this.#count += 1;
    const keys = await webcrypto.subtle.generateKey(KEYS, true, ["sign", "verify"]);
    const certificate = await x509.X509CertificateGenerator.create({
      ...lifetime(),
      serialNumber: `0${this.#count + 1}`,
      subject,
      issuer: this.#certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.#key,
      signingAlgorithm: KEYS,
      extensions: [
        new x509.SubjectAlternativeNameExtension(
          names.map((name) => ({ type: /^[\d.]+$/.test(name) ? ("ip" as const) : ("dns" as const), value: name })),
        ),
      ],
    });
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
    const certFile = join(this.#folder, `${this.#count}.pem`);
    const keyFile = join(this.#folder, `${this.#count}.key`);
    writeFileSync(certFile, certificate.toString("pem"));
    writeFileSync(keyFile, `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`);
    return { certFile, keyFile };
  }
}

function lifetime(): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(Date.now() - A_DAY), notAfter: new Date(Date.now() + A_DAY) };
}
