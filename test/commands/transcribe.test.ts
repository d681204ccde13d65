import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { floatsFromSamples, joinSamples } from "../../src/audio/pcm.ts"
import { clip, words } from "../support/clips.ts"
import { runCommand, startProgram } from "../support/program.ts"
import { wavBytes } from "../support/wav-bytes.ts"

const speech = (id: string) => join(import.meta.dir, "../fixtures/speech", `${id}.wav`)

/** Engines of the whole file are real: under load they take their time. */
const PATIENCE_MS = 120_000

describe("transcribe", () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "transcribe-"))
  })
  afterAll(() => rm(folder, { recursive: true }))

  test(
    "prints one line a file, in order, whatever their rate and width, and names the ones that failed",
    async () => {
      const stereo = join(folder, "stereo.wav")
      const louder = floatsFromSamples(await clip("ps_goforward"))
      await Bun.write(stereo, wavBytes({ rateHz: 16_000, channels: [louder, louder], width: "f32", extensible: true, listBytes: 5 }))
      const text = join(folder, "notes.wav")
      await Bun.write(text, "not a sound")
      const missing = join(folder, "missing.wav")
      const files = [stereo, text, speech("ns_silence_0.4s"), missing, speech("ps_cards_001")]
      const { code, output, errors } = await runCommand(["transcribe", ...files], { STT_ENGINES: "1" })
      expect(output.map((line) => words(line))).toEqual([
        expect.stringMatching(/^go forward (ten|10) meters$/),
        "",
        expect.stringMatching(/^(ten|10) of clubs$/),
      ])
      expect(errors).toEqual([`${text}: not a WAV file`, `${missing}: no such file`])
      expect(code).toBe(1)
    },
    PATIENCE_MS,
  )

  test(
    "with --json tells times and language, also of a file of more than one piece",
    async () => {
      const long = join(folder, "long.wav")
      const [first, second] = [await clip("ps_sense_and_sensibility_01_austen_64kb-0870"), await clip("arctic_a0009")]
      const pause = new Int16Array(16_000 * 12)
      const samples = joinSamples([first, pause, first, pause, second])
      await Bun.write(long, wavBytes({ rateHz: 16_000, channels: [floatsFromSamples(samples)], width: "s16" }))
      const { code, output, errors } = await runCommand(["transcribe", "--json", long], { LOG_LEVEL: "info" })
      const report = JSON.parse(output[0] as string)
      expect(report).toMatchObject({ file: long, durationSeconds: samples.length / 16_000, language: "en" })
      expect(words(report.text)).toMatch(/leisure to consider.*leisure to consider.*faced gregson across the table/)
      const { startMs, endMs, text } = report.segments.at(-1)
      expect(text).toContain("table")
      expect(startMs).toBeGreaterThan(20_000)
      expect(endMs).toBeLessThanOrEqual(samples.length / 16)
      const progress = errors.map((line) => JSON.parse(line)).filter(({ event }) => event === long)
      expect(progress.at(-1)).toMatchObject({ percent: 100, unit: "s" })
      expect(progress.length).toBeGreaterThan(1)
      expect(code).toBe(0)
    },
    PATIENCE_MS,
  )

  test(
    "reads `-` from standard input",
    async () => {
      await using program = startProgram(["transcribe", "-"], { STT_ENGINES: "1" }, Bun.file(speech("ps_cards_001")))
      expect(words(await program.output)).toMatch(/^(ten|10) of clubs$/)
      expect(await program.exited).toBe(0)
    },
    PATIENCE_MS,
  )

  test("sends files through groq when that is the provider", async () => {
    const asked: FormData[] = []
    await using upstream = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        asked.push((await request.formData()) as FormData)
        return Response.json({ text: " Ten of clubs.", language: "English", duration: 1.1, segments: [] })
      },
    })
    const env = { STT_PROVIDER: "groq", GROQ_STT_API_KEY: "key", GROQ_BASE_URL: `http://127.0.0.1:${upstream.port}` }
    const { code, output } = await runCommand(["transcribe", speech("ps_cards_001")], env)
    expect({ code, output, asked: asked.length }).toEqual({ code: 0, output: ["Ten of clubs."], asked: 1 })
  })

  test("writes all of a long transcript before it ends, also into a pipe", async () => {
    const text = "ten of clubs ".repeat(40_000).trim()
    await using upstream = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => Response.json({ text, segments: [] }) })
    const env = { STT_PROVIDER: "groq", GROQ_STT_API_KEY: "key", GROQ_BASE_URL: upstream.url.origin }
    await using program = startProgram(["transcribe", speech("ps_cards_001")], env)
    expect((await program.output).length).toBe(text.length + 1)
    expect(await program.exited).toBe(0)
  })

  test(
    "ends without a complaint when nobody reads on, as behind `head`",
    async () => {
      const command = '"$0" src/main.ts transcribe "$1" "$1" "$1" | head -n 1'
      const child = Bun.spawn(["sh", "-c", command, process.execPath, speech("ps_cards_001")], {
        cwd: join(import.meta.dir, "../.."),
        env: { ...process.env, STT_ENGINES: "1" },
        stderr: "pipe",
      })
      const [output, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
      expect(words(output)).toMatch(/^(ten|10) of clubs$/)
      expect(errors).toBe("")
    },
    PATIENCE_MS,
  )

  test("says that deepgram hears no files", async () => {
    const { code, output, errors } = await runCommand(["transcribe", speech("ps_cards_001")], {
      STT_PROVIDER: "deepgram",
      DG_API_KEY: "key",
    })
    expect({ code, output }).toEqual({ code: 78, output: [] })
    expect(errors).toEqual(["transcribe needs STT_PROVIDER=faster_whisper or groq: deepgram is used for live streams only"])
  })

  test(
    "gives up when it is stopped",
    async () => {
      const { code, output } = await runCommand(
        ["transcribe", speech("ps_goforward")],
        { STT_ENGINES: "1" },
        { stop: AbortSignal.timeout(1) },
      )
      expect({ code, output }).toEqual({ code: 1, output: [] })
    },
    PATIENCE_MS,
  )
})
