/** The programs of the interface page, run as they stand there, against the real program with the real Whisper. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Sample } from "../../src/docs/documents.ts"
import { REST_SAMPLES } from "../../src/docs/rest-samples.ts"
import { SOCKET_SAMPLES } from "../../src/docs/socket-samples.ts"
import { words } from "../support/clips.ts"
import { type RunningProgram, startProgram } from "../support/program.ts"

const recording = join(import.meta.dir, "../fixtures/speech/ps_sense_and_sensibility_01_austen_64kb-0870.wav")
const python = Bun.which("python3")

/** What each prints, among other things. */
const PRINTED: Readonly<Record<string, string>> = {
  models: "whisper 1",
  model: "whisper 1",
  alive: "ok",
  ready: "ok",
  metrics: "xrx stt sessions open",
}
const SENTENCE = "leisure to consider how much there might be prudently in his power to do for them"

/** What runs it; null if this machine cannot. */
function commandFor({ lang, source }: Sample): string[] | null {
  if (lang === "JavaScript") return [process.execPath]
  if (lang === "Shell") return Bun.which("curl") ? ["sh"] : null
  const modules = [...source.matchAll(/^(?:from|import) (\w+)/gm)].map(([, name]) => name)
  if (python === null) return null
  return Bun.spawnSync([python, "-c", `import ${modules.join(", ")}`], { stderr: "ignore" }).success ? [python] : null
}

describe("a program of the interface page", () => {
  let server: RunningProgram
  let host: string
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "xrx-stt-samples-"))
    await Bun.write(join(folder, "talk.wav"), Bun.file(recording))
    server = startProgram([], { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1" })
    host = new URL(String((await server.seen("listening")).address)).host
    await server.seen("ready")
  }, 120_000)
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  const all = [
    ...Object.entries(REST_SAMPLES),
    ...Object.entries(SOCKET_SAMPLES).map(([name, samples]) => [`socket ${name}`, samples] as const),
  ]
  for (const [name, samples] of all)
    for (const sample of samples) {
      const command = commandFor(sample)
      test.skipIf(command === null)(
        `${name} in ${sample.label} prints what it asked for (skipped where its packages are missing)`,
        async () => {
          expect(sample.source.split("localhost:8000")).toHaveLength(2)
          const path = join(folder, `${name.replace(" ", "-")}.${sample.lang === "JavaScript" ? "mjs" : sample.lang}`)
          await Bun.write(path, sample.source.replace("localhost:8000", host))
          const program = Bun.spawn([...(command ?? []), path], { cwd: folder, stderr: "pipe" })
          const [output, errors] = await Promise.all([new Response(program.stdout).text(), new Response(program.stderr).text()])
          expect([await program.exited, sample.lang === "Shell" ? "" : errors]).toEqual([0, ""])
          expect(words(output.replaceAll(/[-_]/g, " "))).toContain(PRINTED[name] ?? SENTENCE)
        },
        60_000,
      )
    }
})
