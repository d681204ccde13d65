import { describe, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect } from "../support/client.ts"
import { clip, words } from "../support/clips.ts"
import { childrenOf } from "../support/processes.ts"
import { startProgram } from "../support/program.ts"

const local = { HOST: "127.0.0.1", PORT: "0" }

const MESSAGES_EACH = 100

/** What this program was told to be. */
const roleOf = (pid: string) => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").at(-2)

/** Runs a command without root's powers, also where nobody else may read the program. */
const POWERLESS = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]
/** Containers often let everybody have every port. */
const hasLowPorts = () => Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8")) > 443
const canTryLowPort = process.platform === "linux" && process.getuid?.() === 0 && Bun.which("setpriv") !== null && hasLowPorts()

test.skipIf(!canTryLowPort)("a server that may not have its port says what it needs", async () => {
  const main = join(import.meta.dir, "../../src/main.ts")
  const env = { PATH: process.env.PATH, ...local, STT_PROVIDER: "groq", GROQ_STT_API_KEY: "key", PORT: "443" }
  const child = Bun.spawn([...POWERLESS, process.execPath, main], { env, stdout: "ignore", stderr: "pipe" })
  const reason = "cannot listen on 127.0.0.1:443: ports below 1024 need the capability CAP_NET_BIND_SERVICE"
  expect(await new Response(child.stderr).text()).toContain(`"reason":"${reason}"`)
  expect(await child.exited).toBe(1)
})

describe("the server as a process", () => {
  test("lets clients in before the model is there, answers them, and on SIGTERM ends with 0 and no process left", async () => {
    await using program = startProgram([], { ...local, STT_ENGINES: "1" })
    const { address, mode, engines } = await program.seen("listening")
    expect({ mode, engines }).toEqual({ mode: "utterance", engines: 1 })

    const client = await connect(new URL(String(address)))
    client.send(new Uint8Array((await clip("ps_goforward")).buffer))
    expect(words(await client.next())).toMatch(/^go forward (ten|10) meters$/)

    await program.seen("voice activity process ready")
    const processes = childrenOf(program.pid)
    expect(processes.map(roleOf).sort()).toEqual(["__engine", "__vad"])
    program.signal("SIGTERM")
    expect((await client.closed).code).toBe(1001)
    expect(await program.exited).toBe(0)
    expect(processes.filter((pid) => readdirSync("/proc").includes(pid))).toEqual([])
  }, 120_000)

  test("keeps every client's words apart and in order, also when its engines are killed at work", async () => {
    await using program = startProgram([], { ...local, STT_ENGINES: "2", STT_MIN_REPLY_MS: "0" })
    const address = new URL(String((await program.seen("listening")).address))
    const speech = async (id: string) => new Uint8Array((await clip(id)).buffer)
    const said = await Promise.all(
      [
        ["ps_cards_001", "ps_goforward", "ps_cards_003"],
        ["ps_cards_004", "ast_en_conf-kicked"],
      ].map((ids) => Promise.all(ids.map(speech))),
    )
    const reference = await connect(address)
    const texts = new Map<Uint8Array, string>()
    for (const utterance of said.flat()) {
      reference.send(utterance)
      texts.set(utterance, await reference.next())
    }
    expect(new Set(texts.values()).size).toBe(texts.size)

    const replies = said.map(async (utterances, speaker) => {
      const client = await connect(address)
      const asked = Array.from({ length: MESSAGES_EACH }, (_, i) => utterances[i % utterances.length] as Uint8Array)
      for (const utterance of asked) client.send(utterance)
      const heard: string[] = []
      for (let i = 0; i < MESSAGES_EACH; i++) {
        heard.push(await client.next())
        // Once only: an utterance that meets a second death is given up.
        if (speaker === 0 && i === MESSAGES_EACH / 4) for (const pid of childrenOf(program.pid)) process.kill(Number(pid), "SIGKILL")
      }
      return { heard, expected: asked.map((utterance) => texts.get(utterance) ?? "") }
    })
    for (const { heard, expected } of await Promise.all(replies)) expect(heard).toEqual(expected)
  }, 120_000)

  test("on SIGINT answers what it was asked before it ends", async () => {
    await using program = startProgram([], { ...local, STT_ENGINES: "1" })
    const client = await connect(new URL(String((await program.seen("listening")).address)))
    client.send(new Uint8Array((await clip("ps_goforward")).buffer))
    client.send(new Uint8Array((await clip("ps_sense_and_sensibility_01_austen_64kb-0870")).buffer))
    // The one engine now has the second utterance in work.
    await client.next()
    program.signal("SIGINT")
    expect(words(await client.next())).toContain("leisure to consider")
    expect(await program.exited).toBe(0)
  }, 120_000)

  test("on a second signal waits for nothing and ends with 1", async () => {
    const asked = Promise.withResolvers<void>()
    await using upstream = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch() {
        asked.resolve()
        return new Promise<Response>(() => {})
      },
    })
    const groq = { STT_PROVIDER: "groq", GROQ_STT_API_KEY: "key", GROQ_BASE_URL: upstream.url.origin, STT_DRAIN_MS: "600000" }
    await using program = startProgram([], { ...local, ...groq })
    const client = await connect(new URL(String((await program.seen("listening")).address)))
    client.send(new Uint8Array((await clip("ps_goforward")).buffer))
    await asked.promise
    program.signal("SIGTERM")
    await program.seen("draining")
    // Sooner it would be the same wish, come twice.
    await Bun.sleep(1_100)
    program.signal("SIGTERM")
    expect(await program.exited).toBe(1)
  }, 120_000)

  test("says that it is ready once a known recording was understood, and then is", async () => {
    await using program = startProgram([], { ...local, STT_ENGINES: "1" })
    const http = String((await program.seen("listening")).address).replace("ws:", "http:")
    await program.seen("ready")
    expect((await fetch(new URL("/readyz", http))).status).toBe(200)
    const metrics = await (await fetch(new URL("/metrics", http))).text()
    expect(metrics).toContain('xrx_stt_canaries_total{outcome="understood"} 1\n')
    expect(metrics).toContain('xrx_stt_canary_ok{engine="whisper"} 1\n')
  }, 120_000)

  test("has Whisper answer with STT_FALLBACK when the cloud is slow, and counts that", async () => {
    await using upstream = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Promise<Response>(() => {}) })
    const groq = { STT_PROVIDER: "groq", GROQ_STT_API_KEY: "key", GROQ_BASE_URL: upstream.url.origin }
    const behind = { STT_FALLBACK: "groq,whisper", STT_FALLBACK_MS: "200", STT_ENGINES: "1", STT_MIN_REPLY_MS: "0" }
    await using program = startProgram([], { ...local, ...groq, ...behind })
    const address = new URL(String((await program.seen("listening")).address))
    const client = await connect(address)
    for (let turn = 0; turn < 3; turn++) {
      client.send(new Uint8Array((await clip("ps_goforward")).buffer))
      expect(words(await client.next())).toMatch(/^go forward (ten|10) meters$/)
    }
    expect(await program.seen("engine left out")).toMatchObject({ engine: "groq", code: "timeout" })
    const metrics = await (await fetch(new URL("/metrics", address.href.replace("ws:", "http:")))).text()
    expect(metrics).toContain('xrx_stt_fallbacks_total{engine="groq",to="whisper",reason="timeout"} 2')
    expect(metrics).toContain('xrx_stt_fallbacks_total{engine="groq",to="whisper",reason="left_out"} 1')
  }, 120_000)

  test("goes on answering when whoever reads its log is gone", async () => {
    await using program = startProgram([], { ...local, STT_ENGINES: "1", LOG_LEVEL: "debug" })
    const address = new URL(String((await program.seen("listening")).address))
    await program.seen("ready")
    await program.stopReadingErrors()
    // Each of them is logged twice, into the void.
    for (let turn = 0; turn < 3; turn++) {
      const client = await connect(address)
      client.send(new Uint8Array((await clip("ps_goforward")).buffer))
      expect(words(await client.next())).toMatch(/^go forward (ten|10) meters$/)
      client.close()
      await client.closed
    }
    program.signal("SIGTERM")
    expect(await program.exited).toBe(0)
  }, 120_000)

  test("names a taken port in one line and ends with 1", async () => {
    await using first = startProgram([], { ...local, STT_ENGINES: "1" })
    const port = new URL(String((await first.seen("listening")).address)).port
    await using second = startProgram([], { HOST: "127.0.0.1", PORT: port, STT_ENGINES: "1" })
    expect((await second.seen("cannot start")).reason).toBe(`port ${port} on 127.0.0.1 is taken by another program: set PORT to a free one`)
    expect(await second.exited).toBe(1)
  }, 120_000)

  test("that can never have its model says why and ends with 1", async () => {
    await using program = startProgram([], { ...local, WHISPER_MODEL: "/no/such/folder" })
    expect((await program.seen("the engine can never be ready")).reason).toContain("/no/such/folder does not exist")
    expect(await program.exited).toBe(1)
  }, 120_000)

  test("measures how many may speak, and reads its keys again on SIGHUP without losing a client", async () => {
    const folder = mkdtempSync(join(tmpdir(), "keys-"))
    const file = join(folder, "keys")
    writeFileSync(file, "old:first-key\n")
    await using program = startProgram([], {
      ...local,
      STT_ENGINES: "1",
      STT_API_KEYS_FILE: file,
      STT_REQUIRE_KEY: "1",
      STT_MAX_SPEAKERS: "",
    })
    const address = new URL(String((await program.seen("listening")).address))
    const keyed = (key: string) => connect(address, { headers: { authorization: `Bearer ${key}` } })
    const client = await keyed("first-key")
    await expect(keyed("second-key")).rejects.toThrow("401")
    writeFileSync(file, "new:second-key\n")
    program.signal("SIGHUP")
    await program.seen("keys read")
    await expect(keyed("first-key")).rejects.toThrow("401")
    expect((await program.seen("capacity")).speakers).toBeGreaterThanOrEqual(4)
    const other = await keyed("second-key")
    for (const one of [client, other]) {
      one.send(new Uint8Array((await clip("ps_goforward")).buffer))
      expect(words(await one.next())).toMatch(/^go forward (ten|10) meters$/)
    }
    program.signal("SIGTERM")
    expect(await program.exited).toBe(0)
    expect(program.errors).toContain('"key":"old"')
    expect(program.errors).not.toMatch(/first-key|second-key/)
    rmSync(folder, { recursive: true })
  }, 120_000)

  test("whose keys cannot be read ends with 78", async () => {
    await using program = startProgram([], { ...local, STT_API_KEYS_FILE: "/no/keys" })
    expect((await program.seen("cannot start")).reason).toContain("STT_API_KEYS_FILE")
    expect(await program.exited).toBe(78)
  }, 120_000)

  test("whose certificate cannot be read ends with 78", async () => {
    await using program = startProgram([], { ...local, TLS_CERT: "/no/cert.pem", TLS_KEY: "/no/key.pem" })
    expect((await program.seen("cannot start")).reason).toBe("TLS_CERT: no such file")
    expect(await program.exited).toBe(78)
  }, 120_000)

  test("whose certificate is none ends with 78 and names it", async () => {
    await using program = startProgram([], { ...local, TLS_CERT: import.meta.path, TLS_KEY: import.meta.path })
    expect((await program.seen("cannot start")).reason).toBe("TLS_CERT: the file does not hold a certificate in PEM")
    expect(await program.exited).toBe(78)
  }, 120_000)
})
