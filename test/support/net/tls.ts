import { once } from "node:events";
import { copyFileSync, mkdirSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { Certificates, type CertificatesOptions, type LoadedCertificate } from "../../../src/net/certificates.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { cleanUp } from "../clean-up.js";
import { Queue } from "../queue.js";
import { temporaryFolder } from "../temporary-files.js";
import type { Certificate } from "./certificates.js";

/** Certificates that record their events, and are stopped after the test. */
export class WatchedCertificates {
  readonly certificates: Certificates;
  /** Reloaded certificates, and error texts of failed reloads. */
  readonly events = new Queue<LoadedCertificate | string>();

  constructor({ certFile, keyFile, ...options }: Certificate & Partial<CertificatesOptions>) {
    this.certificates = new Certificates({
      certFile,
      keyFile,
      minVersion: "TLSv1.2",
      clock: systemClock,
      onReloaded: (loaded) => this.events.push(loaded),
      onFailed: (error) => this.events.push(error.message),
      ...options,
    });
    cleanUp(() => this.certificates.stop());
  }
}

/** A folder like a mounted Kubernetes secret: changing one link replaces all files. */
export class MountedSecret {
  readonly folder = temporaryFolder();
  #version = 0;

  constructor(certificate: Certificate) {
    this.replace(certificate);
    symlinkSync(join("..data", "tls.crt"), this.certFile);
    symlinkSync(join("..data", "tls.key"), this.keyFile);
  }

  get certFile(): string {
    return join(this.folder, "tls.crt");
  }

  get keyFile(): string {
    return join(this.folder, "tls.key");
  }

  replace({ certFile, keyFile }: Certificate): void {
    this.#version += 1;
    const name = `..version-${this.#version}`;
    mkdirSync(join(this.folder, name));
    copyFileSync(certFile, join(this.folder, name, "tls.crt"));
    copyFileSync(keyFile, join(this.folder, name, "tls.key"));
    symlinkSync(name, join(this.folder, "..data_tmp"));
    renameSync(join(this.folder, "..data_tmp"), join(this.folder, "..data"));
  }
}

/** Connects to a port of this machine, and destroys the connection after the test. Rejects when the handshake fails. */
export async function connectTls(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port, servername: "localhost", ...options });
  cleanUp(() => socket.destroy());
  await once(socket, "secureConnect");
  // The close event follows an error.
  socket.on("error", () => {});
  return socket;
}
