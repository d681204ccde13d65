/** What signals do to the program, also where they reach all of its processes, and what a service manager is told meanwhile. */
import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect } from "../support/client.ts"
import { clip, words } from "../support/clips.ts"
import { childrenOf } from "../support/processes.ts"
import { startProgram } from "../support/program.ts"

const LOCAL = { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1", STT_MIN_REPLY_MS: "0" }
const LIMIT_MS = 120_000

const folder = mkdtempSync(join(tmpdir(), "xrx-stt-signals-"))
afterAll(() => rmSync(folder, { recursive: true }))

const sound = async (name: string) => new Uint8Array((await clip(name)).slice().buffer)

/** Ready, and with an utterance in work. */
async function atWork(env: Record<string, string> = {}) {
  const program = startProgram([], { ...LOCAL, ...env })
  const address = new URL(String((await program.seen("listening")).address))
  await program.seen("ready")
  await program.seen("voice activity process ready")
  const client = await connect(address)
  client.send(await sound("ps_goforward"))
  client.send(await sound("ps_sense_and_sensibility_01_austen_64kb-0870"))
  await client.next()
  return { program, client }
}

describe("a signal", () => {
  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s that comes twice at once, and to all processes, as from a terminal, loses no word",
    async (signal) => {
      const { program, client } = await atWork()
      await using _ = program
      for (const pid of [program.pid, ...childrenOf(program.pid).map(Number), program.pid]) process.kill(pid, signal)
      expect(words(await client.next())).toContain("leisure to consider")
      expect((await client.closed).code).toBe(1001)
      expect(await program.exited).toBe(0)
    },
    LIMIT_MS,
  )

  test(
    "SIGHUP to all processes costs nobody anything, whether there is a file of keys to be read again or none",
    async () => {
      const { program, client } = await atWork()
      await using _ = program
      const children = childrenOf(program.pid)
      for (const pid of [program.pid, ...children.map(Number)]) process.kill(pid, "SIGHUP")
      expect(words(await client.next())).toContain("leisure to consider")
      expect(await program.seen("nothing to read again")).toMatchObject({ reason: "STT_API_KEYS_FILE is not set" })
      expect(childrenOf(program.pid)).toEqual(children)
    },
    LIMIT_MS,
  )
})

test.skipIf(process.platform !== "linux")(
  "when memory is short the kernel takes a child before the server",
  async () => {
    const { program } = await atWork()
    await using _ = program
    const weightOf = (pid: number | string) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"))
    const own = weightOf(program.pid)
    expect(childrenOf(program.pid).map(weightOf)).toEqual([Math.min(1000, own + 600), Math.min(1000, own + 600)])
  },
  LIMIT_MS,
)

/** A socket such as systemd's, and what came to it, message by message. Perl is on every Debian; Bun has no such sockets. */
async function listener(path: string) {
  const script = `use Socket; socket(S, AF_UNIX, SOCK_DGRAM, 0); $n = $ARGV[0]; $n =~ s/^@/\\0/; bind(S, sockaddr_un($n)) or die;
    $| = 1; print "listening\\0"; while (defined(recv(S, $m, 4096, 0))) { print "$m\\0" }`
  const child = Bun.spawn(["perl", "-e", script, path], { stdout: "pipe", stderr: "inherit" })
  const told: string[] = []
  const reading = (async () => {
    const decoder = new TextDecoder()
    let rest = ""
    for await (const chunk of child.stdout) {
      const messages = (rest + decoder.decode(chunk, { stream: true })).split("\0")
      rest = messages.pop() ?? ""
      told.push(...messages)
    }
  })()
  while (told.length === 0) await Bun.sleep(5)
  return {
    told,
    /** Resolves when something told fits. */
    async heard(wanted: RegExp) {
      while (!told.some((message) => wanted.test(message))) await Bun.sleep(5)
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL")
      await reading
    },
  }
}

describe.skipIf(process.platform !== "linux" || !Bun.which("perl"))("a service manager", () => {
  test.each([join(folder, "notify"), `@xrx-stt-${process.pid}`])(
    "at %s is told when the server loads, is ready, lives and drains, and its children know nothing of that",
    async (path) => {
      await using systemd = await listener(path)
      await using program = startProgram([], { ...LOCAL, NOTIFY_SOCKET: path, WATCHDOG_USEC: "200000" })
      const client = await connect(new URL(String((await program.seen("listening")).address)))
      await systemd.heard(/^READY=1\nSTATUS=ready$/)
      expect(systemd.told).toContain("STATUS=loading the model\nEXTEND_TIMEOUT_USEC=30000000")
      const beats = () => systemd.told.filter((message) => message === "WATCHDOG=1").length
      const before = beats()
      while (beats() < before + 3) await Bun.sleep(5)
      await program.seen("voice activity process ready")
      for (const pid of childrenOf(program.pid)) expect(readFileSync(`/proc/${pid}/environ`, "utf8")).not.toMatch(/NOTIFY_SOCKET|WATCHDOG_/)
      program.signal("SIGTERM")
      await systemd.heard(/^STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=13000000$/)
      expect((await client.closed).code).toBe(1001)
      expect(await program.exited).toBe(0)
    },
    LIMIT_MS,
  )

  test(
    "that is gone costs a line in the log, and nothing else",
    async () => {
      await using program = startProgram([], { ...LOCAL, NOTIFY_SOCKET: join(folder, "nobody"), WATCHDOG_USEC: "200000" })
      await program.seen("ready")
      expect(await program.seen("the service manager does not hear us")).toMatchObject({ level: "warn" })
      program.signal("SIGTERM")
      expect(await program.exited).toBe(0)
      expect(program.errors.match(/does not hear us/g)).toHaveLength(1)
    },
    LIMIT_MS,
  )
})
