import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { cp, mkdir, mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { floatsFromSamples, joinSamples } from "../../src/audio/pcm.ts"
import { clip, words } from "../support/clips.ts"
import { runCommand, startProgram } from "../support/program.ts"
import { CTRL_C, runInTerminal } from "../support/terminal.ts"
import { wavBytes } from "../support/wav-bytes.ts"

const recordingOf = (name: string) => join(import.meta.dir, "../fixtures/recordings", name)
const speech = (id: string) => join(import.meta.dir, "../fixtures/speech", `${id}.wav`)

const CYAN = "\x1b[36m"

/** Engines of the whole file are real: under load they take their time. */
const PATIENCE_MS = 120_000

function joined(sound: Float32Array, times: number): Float32Array {
  const all = new Float32Array(sound.length * times)
  for (let at = 0; at < all.length; at += sound.length) all.set(sound, at)
  return all
}

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
      expect(errors).toEqual([expect.stringContaining(`${text}: no sound was found in this file`), `${missing}: no such file`])
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
      expect(report.segments[0].words).toBeNull()
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

  test(
    "gives of every kind of file the very words and captions of the REST door",
    async () => {
      const kinds = ["speech.mp3", "speech.flac", "opus.ogg", "opus.webm", "lc.m4a", "video.mp4", "vbr-44100-stereo.mp3"]
      const source = join(folder, "kinds")
      for (const kind of kinds) await cp(recordingOf(kind), join(source, kind.replace(".", "-of-"), kind))
      await using server = startProgram([], { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1" })
      const url = new URL("/v1/audio/transcriptions", String((await server.seen("listening")).address).replace("ws", "http"))
      for (const format of ["txt", "srt"]) {
        const target = join(folder, `kinds as ${format}`)
        const command = ["transcribe", source, "--format", format, "--output", target]
        expect(await runCommand(command, { STT_ENGINES: "1" })).toEqual({ code: 0, output: [], errors: [] })
        for (const kind of kinds) {
          const form = new FormData()
          form.append("model", "whisper-1")
          form.append("response_format", format === "txt" ? "text" : format)
          form.append("file", Bun.file(recordingOf(kind)))
          const told = await (await fetch(url, { method: "POST", body: form })).text()
          const name = kind.replace(/\.\w+$/, "")
          const written = await Bun.file(join(target, kind.replace(".", "-of-"), `${name}.${format}`)).text()
          expect([kind, written]).toEqual([kind, told])
          expect(words(written)).toMatch(/club|clothes|clove/)
        }
      }
    },
    PATIENCE_MS,
  )

  test(
    "reads a recording of any kind from standard input, and names its file `stdin`",
    async () => {
      const env = { STT_ENGINES: "1" }
      await using program = startProgram(["transcribe", "-", "--output", folder], env, Bun.file(recordingOf("opus.webm")))
      expect([await program.exited, program.errors]).toEqual([0, ""])
      expect(words(await Bun.file(join(folder, "stdin.txt")).text())).toMatch(/^(ten|10) of clubs$/)
    },
    PATIENCE_MS,
  )

  test(
    "leaves no file of a recording that fails, and writes those of the others",
    async () => {
      const mixed = join(folder, "mixed")
      await mkdir(mixed)
      await Bun.write(join(mixed, "a.mp3"), "not a sound")
      await cp(speech("ps_cards_001"), join(mixed, "b.wav"))
      await cp(recordingOf("speech.flac"), join(mixed, "b.flac"))
      const target = join(folder, "of mixed")
      const { code, output, errors } = await runCommand(["transcribe", mixed, "--output", target], { STT_ENGINES: "1" })
      expect({ code, output }).toEqual({ code: 1, output: [] })
      expect(errors).toEqual([
        expect.stringContaining(`${join(mixed, "a.mp3")}: no sound was found`),
        `${join(mixed, "b.wav")}: ${join(target, "b.txt")} is for the words of ${join(mixed, "b.flac")} already`,
      ])
      expect(await readdir(target)).toEqual(["b.txt"])
    },
    PATIENCE_MS,
  )

  test(
    "tells the times of words if they are asked for",
    async () => {
      const { output } = await runCommand(["transcribe", "--format", "json", "--words", speech("ps_goforward")], { STT_ENGINES: "1" })
      const spoken = JSON.parse(output[0] as string).segments.flatMap((segment: { words: { text: string }[] }) => segment.words)
      expect(words(spoken.map(({ text }: { text: string }) => text).join(" "))).toMatch(/^go forward (ten|10) meters$/)
    },
    PATIENCE_MS,
  )

  test("refuses to mix the captions of several recordings in one stream", async () => {
    const files = [speech("ps_cards_001"), speech("ps_cards_002")]
    expect(await runCommand(["transcribe", "--format", "srt", ...files])).toEqual({
      code: 78,
      output: [],
      errors: ["captions of several recordings need a folder: --format srt --output DIR"],
    })
  })

  test(
    "shows a person a bar that leaves nothing behind, in colours unless NO_COLOR is set",
    async () => {
      const command = `exec $XRX transcribe ${speech("ps_cards_001")} ${recordingOf("speech.flac")}`
      for (const NO_COLOR of ["", "1"]) {
        await using shown = runInTerminal(command, { columns: 120, env: { NO_COLOR } })
        expect(await shown.exited).toBe(0)
        const [first = "", said = "", second = "", again = ""] = shown.screen
        expect([first, second]).toEqual([speech("ps_cards_001"), recordingOf("speech.flac")])
        for (const text of [said, again]) expect(words(text)).toMatch(/^(ten|10) of clubs$/)
        expect(shown.raw).toContain("100%  1/1 s")
        expect(shown.raw.includes(CYAN)).toBe(NO_COLOR === "")
      }
    },
    PATIENCE_MS,
  )

  test(
    "ends with 1 at Ctrl-C, and says what it did not hear",
    async () => {
      const long = join(folder, "hours.wav")
      const said = floatsFromSamples(await clip("ps_sense_and_sensibility_01_austen_64kb-0870"))
      await Bun.write(long, wavBytes({ rateHz: 16_000, channels: [joined(said, 200)], width: "s16" }))
      await using shown = runInTerminal(`exec $XRX transcribe ${long}`, { columns: 120 })
      await shown.until(/\d+\/\d+ s/)
      shown.press(CTRL_C)
      expect(await shown.exited).toBe(1)
      expect(shown.screen.join("\n")).toContain(`${long}: stopped before it was heard`)
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
