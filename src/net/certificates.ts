import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import { errorText } from "../util/native-error.js";
import { FileWatch } from "./file-watch.js";

export interface CertificatesOptions {
  /** PEM: the certificate, and those between it and its authority. */
  readonly certFile: string;
  /** PEM: the private key, not encrypted. */
  readonly keyFile: string;
  /** PEM: the authorities whose client certificates are taken; undefined: none are asked for. */
  readonly clientCaFile?: string | undefined;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly clock: Clock;
  /** Told that files have changed and are in use. */
  readonly onReloaded: (loaded: LoadedCertificate) => void;
  /** Told once that files have changed to what cannot be used: the ones before stay in use. */
  readonly onFailed: (error: CarillonError) => void;
}

/** The certificate in use, for logs. */
export interface LoadedCertificate {
  readonly subject: string;
  /** Its end, as the certificate writes it. */
  readonly expires: string;
}

/** What is made of the files. */
type Contents = readonly [cert: Buffer, key: Buffer, clientCa: Buffer | undefined];

/**
 * A certificate and its key, read from files and again whenever they change. Ports that use them are told: new
 * connections get the new certificate, and those that live keep theirs.
 */
export class Certificates {
  readonly #options: CertificatesOptions;
  readonly #users = new Set<(context: SecureContextOptions) => void>();
  readonly #watch: FileWatch;
  #contents: Contents | undefined;
  #context: SecureContextOptions = {};
  /** What was last complained about, so that it is not said again at each look. */
  #complaint: string | undefined;

  constructor(options: CertificatesOptions) {
    this.#options = options;
    this.#watch = new FileWatch(this.#files, options.clock, () => this.#reload());
  }

  /**
   * Reads the files, and watches them from then on.
   * @throws CarillonError failed_precondition, naming the file
   */
  async start(): Promise<void> {
    await this.#load();
    this.#watch.start();
  }

  stop(): void {
    this.#watch.stop();
  }

  /**
   * Calls at once with what is to be used, and again after each change.
   * @returns ends that
   */
  use(user: (context: SecureContextOptions) => void): () => void {
    user(this.#context);
    this.#users.add(user);
    return () => {
      this.#users.delete(user);
    };
  }

  async #reload(): Promise<void> {
    try {
      if (!(await this.#load())) return;
    } catch (cause) {
      const error = CarillonError.from(cause);
      if (error.message !== this.#complaint) this.#options.onFailed(error);
      this.#complaint = error.message;
      return;
    }
    for (const user of this.#users) user(this.#context);
    const { subject, validTo } = new X509Certificate(this.#contents?.[0] ?? "");
    this.#options.onReloaded({ subject: subject.replaceAll("\n", ", "), expires: validTo });
  }

  /** @returns whether there is anything new */
  async #load(): Promise<boolean> {
    const { certFile, clientCaFile, keyFile, minVersion } = this.#options;
    const contents: Contents = [
      await read(certFile),
      await read(keyFile),
      clientCaFile === undefined ? undefined : await read(clientCaFile),
    ];
    const [cert, key, ca] = contents;
    if (this.#contents !== undefined && same(contents, this.#contents)) {
      this.#complaint = undefined;
      return false;
    }
    if (ca !== undefined) checkAuthorities(clientCaFile ?? "", ca);
    const context = { cert, key, minVersion, ...(ca === undefined ? {} : { ca }) };
    try {
      createSecureContext(context);
    } catch (cause) {
      throw unusable(`${certFile} with ${keyFile}`, cause);
    }
    this.#contents = contents;
    this.#context = context;
    this.#complaint = undefined;
    return true;
  }

  get #files(): string[] {
    const { certFile, clientCaFile, keyFile } = this.#options;
    return [certFile, keyFile, ...(clientCaFile === undefined ? [] : [clientCaFile])];
  }
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new CarillonError("failed_precondition", `cannot read ${file}: ${errorText(cause)}`, { cause });
  }
}

/** A list without a certificate would be taken for an empty one, and every client refused. */
function checkAuthorities(file: string, pem: Buffer): void {
  try {
    new X509Certificate(pem);
  } catch (cause) {
    throw unusable(file, cause);
  }
}

/** The reasons are OpenSSL's and hold nothing of the key. */
function unusable(what: string, cause: unknown): CarillonError {
  return new CarillonError("failed_precondition", `cannot use ${what} for TLS: ${errorText(cause)}`, { cause });
}

function same(some: Contents, others: Contents): boolean {
  return some.every((bytes, position) => {
    const other = others[position];
    return bytes === undefined || other === undefined ? bytes === other : bytes.equals(other);
  });
}
