import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { generateKeyPairSync } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { checkMachine } from "../../src/commands/doctor-checks.ts"
import { startCollector } from "../support/otlp-collector.ts"
import { runCommand } from "../support/program.ts"
import { localhostTls } from "../support/tls.ts"

const local = { HOST: "127.0.0.1", PORT: "0" }
const key = "gsk_never_to_be_shown"

describe("doctor", () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "doctor-"))
  })
  afterAll(() => rm(folder, { recursive: true }))

  test("finds nothing wrong here, and has an engine hear a clip to know it", async () => {
    const { code, output } = await runCommand(["doctor"], { ...local, STT_CACHE_DIR: join(folder, "new") })
    expect(output.filter((line) => !line.startsWith("ok "))).toEqual(["No problem found"])
    expect(output.join("\n")).toMatch(/engine with model base: ready after \d+ ms, a clip of 2.8 s took \d+ ms/)
    expect(output.join("\n")).toMatch(/voice activity process: ready after \d+ ms/)
    expect(code).toBe(0)
  }, 120_000)

  test("tries certificate and key", async () => {
    const [cert, foreign] = [join(folder, "cert.pem"), join(folder, "foreign.pem")]
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
    await Bun.write(cert, `${localhostTls.cert}\n${localhostTls.key}`)
    await Bun.write(foreign, privateKey.export({ type: "pkcs8", format: "pem" }))
    const env = { ...local, STT_PROVIDER: "groq", GROQ_STT_API_KEY: key, TLS_CERT: cert }
    const good = await runCommand(["doctor"], { ...env, TLS_KEY: cert })
    expect(good.output).toContain("ok       certificate and key of TLS_CERT and TLS_KEY belong together")
    const bad = await runCommand(["doctor"], { ...env, TLS_KEY: foreign })
    expect(bad.output.join("\n")).toContain("problem  TLS_KEY: not the key of the certificate in TLS_CERT")
    expect([good.code, bad.code]).toEqual([0, 1])
  })

  test("asks the collector whether it takes traces, and shows no key of it", async () => {
    const collector = startCollector(({ headers }) => new Response(null, { status: headers.get("x-key") === key ? 200 : 401 }))
    const found = async (env: Record<string, string>) =>
      (await runCommand(["doctor"], { ...cloud(), ...env })).output.filter((line) => /collector|OTEL_/.test(line)).join("\n")
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }
    expect(await found({})).toBe("")
    expect(await found({ ...endpoint, OTEL_EXPORTER_OTLP_HEADERS: `x-key=${key}` })).toBe(
      `ok       the collector at ${collector.host} takes traces`,
    )
    const wrong = await found({ ...endpoint, OTEL_EXPORTER_OTLP_HEADERS: `x-key=${key}2` })
    expect(wrong).toStartWith(`warning  the collector at ${collector.host} answers 401: it takes no traces`)
    expect(wrong).not.toContain(key)
    await collector.stop()
    expect(await found(endpoint)).toStartWith(`warning  no collector answers at ${collector.host} (ECONNREFUSED)`)
    expect(await found({ ...endpoint, OTEL_EXPORTER_OTLP_CERTIFICATE: "/nowhere" })).toContain(
      "problem  OTEL_EXPORTER_OTLP_CERTIFICATE: no such file",
    )
  })

  test("names every fault of the settings, and what it could not check because of them", async () => {
    const { code, output } = await runCommand(["doctor"], { PORT: "x", LOG_LEVEL: "loud" })
    expect(output.filter((line) => line.startsWith("problem "))).toHaveLength(2)
    expect(output.join("\n")).toContain('problem  PORT: expected a whole number from 0 to 65535, got "x"')
    expect(output).toContain("skipped  cache folder, port, certificate, collector, engine and voice activity: they depend on the settings")
    expect(output.at(-1)).toBe("2 problems found")
    expect(code).toBe(1)
  })

  test("finds a taken port", async () => {
    await using other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() })
    const { code, output } = await runCommand(["doctor"], { ...cloud(), PORT: String(other.port) })
    expect(output.join("\n")).toContain(`problem  port ${other.port} on 127.0.0.1 is taken`)
    expect(code).toBe(1)
  })

  test("finds an address that is not this machine's", async () => {
    const { code, output } = await runCommand(["doctor"], { ...cloud(), HOST: "192.0.2.1" })
    expect(output.join("\n")).toContain("problem  cannot listen on 192.0.2.1:0")
    expect(code).toBe(1)
  })

  test("warns about a cache folder that cannot be one", async () => {
    const file = join(folder, "file")
    await Bun.write(file, "")
    const { output } = await runCommand(["doctor"], { ...local, STT_CACHE_DIR: join(file, "cache"), WHISPER_MODEL: "/no/such/folder" })
    expect(output.join("\n")).toContain(`warning  cache folder ${join(file, "cache")} cannot be written to (ENOTDIR)`)
  })

  test("finds a model that is not there", async () => {
    const { code, output } = await runCommand(["doctor"], { ...local, WHISPER_MODEL: "/no/such/folder" })
    expect(output.join("\n")).toContain("problem  engine with model /no/such/folder: the model folder /no/such/folder does not exist")
    expect(code).toBe(1)
  })

  test("finds a voice activity process that does not start", async () => {
    const { code, output } = await runCommand(["doctor"], cloud(), { vadCommand: ["/no/such/program"] })
    expect(output.join("\n")).toContain("problem  voice activity cannot be detected: its process")
    expect(code).toBe(1)
  })

  test("says that a key is set, never which, and asks no provider", async () => {
    const { code, output } = await runCommand(["doctor"], cloud())
    expect(output[0]).toContain("STT_PROVIDER is groq, GROQ_STT_API_KEY is set")
    expect(output.join("\n")).not.toContain(key)
    expect(code).toBe(0)
  })

  test("warns about little memory", () => {
    expect(checkMachine({ cores: 4, memoryBytes: 400e6 })[0]).toMatchObject({
      level: "warning",
      text: expect.stringContaining("0.4 GB of memory"),
    })
  })

  function cloud() {
    return { ...local, STT_PROVIDER: "groq", GROQ_STT_API_KEY: key }
  }
})
