import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { cryptoProvider, X509CertificateGenerator } from "@peculiar/x509";
import { pair } from "./jwts.js";

cryptoProvider.set(webcrypto as Crypto);

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** Creates a certificate of the P-256 key with this name, as PEM. */
export async function certificate(name: string): Promise<string> {
  const { privateKey, publicKey } = pair(name);
  const keys = {
    privateKey: await webcrypto.subtle.importKey(
      "jwk",
      privateKey.export({ format: "jwk" }) as JsonWebKey,
      ALGORITHM,
      true,
      ["sign"],
    ),
    publicKey: await webcrypto.subtle.importKey(
      "jwk",
      publicKey.export({ format: "jwk" }) as JsonWebKey,
      ALGORITHM,
      true,
      ["verify"],
    ),
  };
  const made = await X509CertificateGenerator.createSelfSigned({
    name: "CN=issuer",
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return made.toString("pem");
}
