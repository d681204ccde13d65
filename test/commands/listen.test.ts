import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { words } from "../support/clips.ts"
import { runCommand, startProgram } from "../support/program.ts"
import { CTRL_C, runInTerminal } from "../support/terminal.ts"

const WAV_HEADER_BYTES = 44
const speech = (id: string) => Bun.file(join(import.meta.dir, "../fixtures/speech", `${id}.wav`))
const recording = (name: string) => Bun.file(join(import.meta.dir, "../fixtures/recordings", name))
const AUSTEN = "ps_sense_and_sensibility_01_austen_64kb-0870"
const SENTENCE = "and mr john dashwood had then leisure to consider how much there might be prudently in his power to do for them"

/** Engines are real: under load they take their time. */
const PATIENCE_MS = 120_000
const env = { STT_ENGINES: "1" }

/** Two sentences with a pause between them, without a header. */
async function twoSentences(): Promise<Blob> {
  const sound = async (id: string) => (await speech(id).bytes()).subarray(WAV_HEADER_BYTES)
  return new Blob([await sound("arctic_a0009"), new Uint8Array(32_000), await sound("ps_goforward")])
}

async function listen(args: readonly string[], input: Blob) {
  await using program = startProgram(["listen", ...args], env, input)
  const [output, code] = await Promise.all([program.output, program.exited])
  return { code, output, errors: program.errors }
}

describe("listen, into a pipe", () => {
  test(
    "prints one line for each utterance in samples of 16 kHz",
    async () => {
      const { code, output, errors } = await listen([], await twoSentences())
      expect({ code, errors }).toEqual({ code: 0, errors: "" })
      expect(output.trimEnd().split("\n").map(words)).toEqual([
        expect.stringContaining("he turned sharply and faced"),
        expect.stringMatching(/^go forward (ten|10) meters$/),
      ])
    },
    PATIENCE_MS,
  )

  test(
    "hears samples of another kind as they are named, or as a WAV header names them",
    async () => {
      const wav = await recording("mulaw.wav").bytes()
      const at = Buffer.from(wav).indexOf("data") + 8
      const named = await listen(["--encoding", "mulaw", "--rate", "8000"], new Blob([wav.subarray(at)]))
      const headed = await listen([], new Blob([wav]))
      for (const { code, output } of [named, headed]) expect([code, words(output)]).toEqual([0, expect.stringMatching(/^(ten|10) of clu/)])
    },
    PATIENCE_MS,
  )

  test(
    "writes captions of what it heard, at the times at which it was said",
    async () => {
      const { code, output } = await listen(["--format", "vtt"], await twoSentences())
      expect(code).toBe(0)
      const [head, first = "", second = "", rest] = output.split("\n\n")
      expect([head, rest]).toEqual(["WEBVTT", ""])
      expect(first).toMatch(/^00:00:00\.000 --> 00:00:03\.\d{3}\nHe turned sharply/)
      expect(second).toMatch(/^00:00:0[3-4]\.\d{3} --> 00:00:0\d\.\d{3}\nGo forward/)
    },
    PATIENCE_MS,
  )

  test("names what it cannot be told, and ends with 78", async () => {
    for (const [args, message] of [
      [["--rate", "22050"], "sample_rate must be 8000, 16000, 24000, 44100 or 48000"],
      [["--encoding", "mp3"], "encoding must be pcm_s16le, pcm_f32le, mulaw or alaw"],
      [["--silence", "5"], "silence_ms must be a whole number from 100 to 10000"],
    ] as const)
      expect(await runCommand(["listen", ...args])).toEqual({ code: 78, output: [], errors: [`xrx-stt listen: ${message}`] })
  })

  test("names a WAV file that cannot be heard live", async () => {
    const { code, output, errors } = await listen([], recording("u8-8000.wav"))
    expect({ code, output }).toEqual({ code: 1, output: "" })
    expect(errors).toStartWith("xrx-stt listen: this kind of WAV is not understood live")
  })

  test("says why no word can come, and ends with 1", async () => {
    await using program = startProgram(["listen"], { WHISPER_MODEL: "/no/such/folder" }, await twoSentences())
    expect(await program.exited).toBe(1)
    expect(program.errors).toMatch(/^xrx-stt listen: .*\/no\/such\/folder does not exist/m)
  })

  test(
    "ends with 0 when it is told to, though its sound goes on, and tells what was said",
    async () => {
      const child = Bun.spawn([process.execPath, "src/main.ts", "listen"], {
        cwd: join(import.meta.dir, "../.."),
        env: { ...process.env, ...env },
        stdin: "pipe",
        stdout: "pipe",
      })
      const [first, second] = [await speech("ps_goforward").bytes(), await speech("ps_cards_001").bytes()]
      child.stdin.write(first.subarray(WAV_HEADER_BYTES))
      child.stdin.write(new Uint8Array(32_000))
      child.stdin.write(second.subarray(WAV_HEADER_BYTES))
      await child.stdin.flush()
      const output = child.stdout.getReader()
      const heard = words(new TextDecoder().decode((await output.read()).value))
      child.kill("SIGTERM")
      const last = words(new TextDecoder().decode((await output.read()).value))
      expect([heard, last]).toEqual([expect.stringMatching(/^go forward (ten|10) meters$/), expect.stringMatching(/^(ten|10) of cl/)])
      expect(await child.exited).toBe(0)
    },
    PATIENCE_MS,
  )

  test(
    "of nothing at all prints nothing",
    async () => {
      expect(await listen([], new Blob([]))).toEqual({ code: 0, output: "", errors: "" })
    },
    PATIENCE_MS,
  )
})

describe("listen, to a server", () => {
  let server: ReturnType<typeof startProgram>
  let address: string
  beforeAll(async () => {
    server = startProgram([], { ...env, HOST: "127.0.0.1", PORT: "0" })
    address = new URL(String((await server.seen("listening")).address)).host
    await server.seen("ready")
  }, PATIENCE_MS)
  afterAll(() => server[Symbol.asyncDispose]())

  /** Their order is that of the utterances, each for itself; and a session has a name of its own. */
  function events(output: string) {
    const all = output
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
    const told = all.map((event) => ({ ...event, seq: undefined, session: undefined }))
    return ["ready", "speech_start", "speech_end", "final", "done"].map((type) => told.filter((event) => event.type === type))
  }

  test(
    "tells the very events that its own engine tells",
    async () => {
      const sound = await twoSentences()
      const far = await listen(["--url", `ws://${address}`, "--format", "json", "--words"], sound)
      const own = await listen(["--format", "json", "--words"], sound)
      expect([far.code, own.code]).toEqual([0, 0])
      expect(events(far.output)).toEqual(events(own.output))
      expect(events(far.output).map(({ length }) => length)).toEqual([1, 2, 2, 2, 1])
    },
    PATIENCE_MS,
  )

  test("that is not there says so and ends with 1", async () => {
    const { code, output, errors } = await listen(["--url", "localhost:1"], await twoSentences())
    expect({ code, output }).toEqual({ code: 1, output: "" })
    expect(errors).toStartWith("xrx-stt listen: localhost:1: no server there lets us in")
  })

  test("of an address that is none names it", async () => {
    const { code, errors } = await runCommand(
      ["listen", "--url", "ftp://somewhere"],
      {},
      { input: { terminal: false, bytes: () => new Blob(["1234"]).stream() } },
    )
    expect({ code, errors }).toEqual({
      code: 1,
      errors: ["xrx-stt listen: --url must be an address such as ws://localhost:8000, got ftp://somewhere"],
    })
  })
})

describe("listen, before a person", () => {
  const microphone = (id: string) => `${process.execPath} test/support/microphone.ts ${speech(id).name}`

  test(
    "writes the words so far in place, over several rows, until they are final",
    async () => {
      await using shown = runInTerminal(`${microphone(AUSTEN)} | $XRX listen`, { columns: 40 })
      // The last word is final only once the silence behind it is heard.
      await shown.until(/them\.\r\n/)
      shown.press(CTRL_C)
      await shown.exited
      const [notice, ...sentence] = shown.screen
      expect(notice).toBe("whisper base listens; Ctrl-C ends")
      expect(words(sentence.join(" ").replace("^C", ""))).toBe(SENTENCE)
      for (const row of sentence) expect(row.length).toBeLessThan(40)
      // And it was there before, dim, and was taken away again.
      expect(shown.raw.split("\x1b[J").length).toBeGreaterThan(4)
      expect(shown.raw).toContain("\x1b[2m")
      expect(shown.raw).toContain("\x1b[1A")
    },
    PATIENCE_MS,
  )

  test(
    "tells at Ctrl-C what was said until then",
    async () => {
      await using shown = runInTerminal(`${microphone(AUSTEN)} | (trap : INT; $XRX listen; echo "ended with $?")`, { columns: 120 })
      await shown.until(/leisure to consider/)
      shown.press(CTRL_C)
      await shown.until(/ended with \d+/)
      expect(shown.screen.at(-1)).toBe("ended with 0")
      expect(words(shown.screen.join(" "))).toContain("and mr john dashwood had then leisure to consider")
    },
    PATIENCE_MS,
  )

  test("who pipes nothing into it says how to, and ends with 78", async () => {
    await using shown = runInTerminal("exec $XRX listen", { columns: 120 })
    expect(await shown.exited).toBe(78)
    expect(shown.screen[1]).toContain("arecord -q -f S16_LE -r 16000 -c 1 | xrx-stt listen")
  })
})
