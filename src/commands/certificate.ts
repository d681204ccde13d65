/** The certificates that settings name: read and tried before anybody is let in. Knows no server. */
import { createPrivateKey, X509Certificate } from "node:crypto"
import { readFile } from "node:fs/promises"
import type { Settings } from "../settings.ts"
import { reasonOf } from "./reason.ts"

/** PEM text. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/**
 * That of TLS_CERT and TLS_KEY; undefined if they are unset.
 * @throws Error with one line that names the bad one
 */
export async function readCertificate({ TLS_CERT, TLS_KEY }: Settings): Promise<Certificate | undefined> {
  if (TLS_CERT === undefined || TLS_KEY === undefined) return undefined
  const [cert, certificate] = await readPem("TLS_CERT", TLS_CERT, "a certificate in PEM", (text) => new X509Certificate(text))
  const [key, privateKey] = await readPem("TLS_KEY", TLS_KEY, "a private key in PEM without a passphrase", createPrivateKey)
  if (!certificate.checkPrivateKey(privateKey)) throw new Error("TLS_KEY: not the key of the certificate in TLS_CERT")
  return { cert, key }
}

/**
 * PEM text of those whom the collector's certificate may be signed by; undefined if the usual ones are meant.
 * @throws Error with one line that says what is wrong
 */
export async function readAuthority({ OTEL_EXPORTER_OTLP_CERTIFICATE: file }: Settings): Promise<string | undefined> {
  if (file === undefined) return undefined
  const [text] = await readPem("OTEL_EXPORTER_OTLP_CERTIFICATE", file, "a certificate in PEM", (text) => new X509Certificate(text))
  return text
}

async function readPem<Parsed>(name: string, path: string, what: string, parse: (text: string) => Parsed): Promise<[string, Parsed]> {
  const text = await readFile(path, "utf8").catch((error) => {
    throw new Error(`${name}: ${reasonOf(error)}`)
  })
  try {
    return [text, parse(text)]
  } catch {
    // OpenSSL's own words for it are a number and a place in its source.
    throw new Error(`${name}: the file does not hold ${what}`)
  }
}
