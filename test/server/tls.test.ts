import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { generateKeyPairSync } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { readCertificate } from "../../src/commands/certificate.ts"
import { parseSettings } from "../../src/settings.ts"
import { connect, socketUrl } from "../support/client.ts"
import { startProgram } from "../support/program.ts"
import { localhostTls } from "../support/tls.ts"

const openssl = Bun.which("openssl")
const readme = await Bun.file(join(import.meta.dir, "../../README.md")).text()

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tls-"))
})
afterAll(() => rm(folder, { recursive: true }))

/** The path of a file that holds `text`. */
async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await Bun.write(path, text)
  return path
}

async function files({ cert, key } = localhostTls) {
  return { TLS_CERT: await file("cert.pem", cert), TLS_KEY: await file("key.pem", key) }
}

/** Why these files are no good; undefined if they are. */
async function fault(env: Record<string, string>): Promise<string | undefined> {
  const parsed = parseSettings(env)
  if (!parsed.ok) return parsed.faults.join("\n")
  return readCertificate(parsed.settings).then(
    () => undefined,
    (error: Error) => error.message,
  )
}

describe("TLS_CERT and TLS_KEY", () => {
  test("are set both or neither", async () => {
    const { TLS_CERT, TLS_KEY } = await files()
    expect(await fault({})).toBeUndefined()
    expect(await fault({ TLS_CERT, TLS_KEY })).toBeUndefined()
    expect(await fault({ TLS_CERT })).toBe("TLS_KEY: required, because the other half of the pair is set")
    expect(await fault({ TLS_KEY })).toBe("TLS_CERT: required, because the other half of the pair is set")
  })

  test("are files that can be read", async () => {
    const { TLS_CERT } = await files()
    expect(await fault({ TLS_CERT, TLS_KEY: join(folder, "none.pem") })).toBe("TLS_KEY: no such file")
    expect(await fault({ TLS_CERT: folder, TLS_KEY: folder })).toBe("TLS_CERT: is a folder")
  })

  test("hold a certificate and its key, which opens without a passphrase", async () => {
    const { TLS_CERT, TLS_KEY } = await files()
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
    const other = await file("other.pem", privateKey.export({ type: "pkcs8", format: "pem" }).toString())
    const locked = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "sesame" } as const
    const lockedKey = await file("locked.pem", privateKey.export(locked).toString())
    expect(await fault({ TLS_CERT: TLS_KEY, TLS_KEY })).toBe("TLS_CERT: the file does not hold a certificate in PEM")
    expect(await fault({ TLS_CERT, TLS_KEY: TLS_CERT })).toBe("TLS_KEY: the file does not hold a private key in PEM without a passphrase")
    expect(await fault({ TLS_CERT, TLS_KEY: lockedKey })).toBe("TLS_KEY: the file does not hold a private key in PEM without a passphrase")
    expect(await fault({ TLS_CERT, TLS_KEY: other })).toBe("TLS_KEY: not the key of the certificate in TLS_CERT")
  })
})

describe("a server with a certificate", () => {
  /** Every page and a socket, over TLS. */
  async function expectEncrypted(env: Record<string, string>, ca: string) {
    await using program = startProgram([], { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1", ...env })
    const address = new URL(String((await program.seen("listening")).address))
    expect(address.protocol).toBe("wss:")
    await program.seen("ready")
    const url = new URL(`https://localhost:${address.port}`)
    for (const path of ["/healthz", "/readyz", "/metrics", "/", "/v1/models"]) {
      expect([path, (await fetch(new URL(path, url), { tls: { ca } })).status]).toEqual([path, 200])
    }
    expect(await (await fetch(new URL("/healthz", url), { tls: { ca } })).text()).toBe("ok\n")
    const client = await connect(socketUrl(url, "", "/v1/realtime"), { tls: { ca } })
    expect(JSON.parse(await client.next())).toMatchObject({ type: "session.created" })
    client.close()
    await client.closed
    // Nothing of ours goes over the wire in the clear, and who trusts nobody gets nothing.
    expect(
      await fetch(`http://localhost:${address.port}/healthz`).then(
        ({ status }) => status,
        () => "refused",
      ),
    ).not.toBe(200)
    await expect(fetch(new URL("/healthz", url))).rejects.toThrow(/self.signed certificate/)
    program.signal("SIGTERM")
    expect(await program.exited).toBe(0)
    expect(program.errors).not.toContain("PRIVATE KEY")
  }

  test("speaks TLS on every path", async () => {
    await expectEncrypted(await files(), localhostTls.cert)
  }, 60_000)

  test.skipIf(openssl === null)(
    "takes the one that README tells how to make (skipped without openssl)",
    async () => {
      const [, section = ""] = /^### TLS\n(.*?)^##/ms.exec(readme) ?? []
      const [, making = ""] = /^```sh\n(.*?)^TLS_CERT=/ms.exec(section) ?? []
      const made = Bun.spawnSync(["sh", "-ec", making], { cwd: folder, stderr: "pipe" })
      expect([made.exitCode, making]).toEqual([0, expect.stringContaining("openssl")])
      const env = { TLS_CERT: join(folder, "cert.pem"), TLS_KEY: join(folder, "key.pem") }
      await expectEncrypted(env, await Bun.file(env.TLS_CERT).text())
    },
    60_000,
  )
})
