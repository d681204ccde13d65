import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { join } from "node:path"
import { prepareOrt } from "../../../../src/binary/native.ts"
import { type LoadedModel, loadModel } from "../../../../src/engines/whisper/load.ts"
import { createLogMel } from "../../../../src/engines/whisper/mel.ts"
import type { WriteOptions, Written } from "../../../../src/engines/whisper/writer.ts"

const ROOT = join(import.meta.dir, "../../../..")
// Each runs the model dozens of times, on a machine that may have other work.
setDefaultTimeout(60_000)

const SILENCE_SAMPLES = 11_200
const CLIPS = ["arctic_a0007", "ps_cards_001", "ps_sense_and_sensibility_01_austen_64kb-0880", "ps_goforward"]

let model: LoadedModel
let clips: { features: Float32Array; frames: number }[]
/** Prompt of English. */
let prompt: readonly number[]
let options: WriteOptions

beforeAll(async () => {
  await prepareOrt([])
  const path = join(ROOT, "src/engines/whisper/weights/whisper-base")
  model = await loadModel({ source: { kind: "folder", path }, threads: 1, arena: false })
  const { vocabulary, sessions } = model
  const mel = createLogMel(sessions.bins)
  clips = await Promise.all(CLIPS.map((name) => featuresOf(name, mel)))
  prompt = [vocabulary.startOfTranscript, ...vocabulary.promptFor("en")]
  options = { bannedFirst: vocabulary.bannedFirst, banned: vocabulary.banned, most: 32 }
})
afterAll(() => model.close())

async function featuresOf(name: string, mel: ReturnType<typeof createLogMel>, frames?: number) {
  const bytes = await Bun.file(join(ROOT, "test/fixtures/speech", `${name}.wav`)).bytes()
  const samples = Float32Array.from(new Int16Array(bytes.buffer.slice(44)), (sample) => sample / 32_768)
  const enough = frames ?? 2 * Math.ceil((samples.length + SILENCE_SAMPLES) / 320)
  return { features: mel.features(samples, enough), frames: enough }
}

/** What is written to the clips together, up to and with the end of each text. */
async function write(heard: typeof clips, more: Partial<WriteOptions> = {}): Promise<Written[]> {
  const writer = await model.sessions.encode(heard)
  try {
    expect(writer.size).toBe(heard.length)
    const written = await writer.write(
      heard.map(() => prompt),
      { ...options, ...more },
    )
    return written.map((one) => {
      const count = one.tokens.indexOf(model.vocabulary.endOfText) + 1 || one.tokens.length
      const attention = one.attention?.slice(0, count) ?? null
      return { ...one, tokens: one.tokens.slice(0, count), logprobs: one.logprobs.slice(0, count), attention }
    })
  } finally {
    writer.close()
  }
}

const alone = async (more: Partial<WriteOptions> = {}) => (await Promise.all(clips.map((clip) => write([clip], more)))).flat()

describe("the embedded model", () => {
  test("writes the same tokens to an utterance in any company as alone", async () => {
    const texts = (await alone()).map(({ tokens }) => tokens)
    expect(model.textOf(texts[1]?.slice(0, -1) ?? [])).toBe(" Ten of clubs.")
    expect(new Set(texts.map(String)).size).toBe(CLIPS.length)
    expect((await write(clips)).map(({ tokens }) => tokens)).toEqual(texts)
    expect((await write(clips.slice(1, 3))).map(({ tokens }) => tokens)).toEqual(texts.slice(1, 3))
    expect((await write(clips.toReversed())).map(({ tokens }) => tokens)).toEqual(texts.toReversed())
  })

  test("tells for each utterance of a batch how likely nobody spoke", async () => {
    const silence = { features: createLogMel(80).features(new Float32Array(16_000), 172), frames: 172 }
    const [speech = 1, nobody = 0] = (await write([clips[0] ?? silence, silence])).map(({ noSpeechProb }) => noSpeechProb)
    expect(speech).toBeLessThan(0.1)
    expect(nobody).toBeGreaterThan(0.5)
    expect((await write([silence]))[0]?.noSpeechProb).toBeCloseTo(nobody, 5)
  })

  test("hears the full context as well as a short one", async () => {
    const full = await featuresOf("ps_cards_001", createLogMel(80), 3000)
    const [written] = await write([full])
    expect(model.textOf(written?.tokens.slice(0, -1) ?? [])).toBe(" Ten of clubs.")
  })

  test("goes on from a text of several stretches as in one", async () => {
    const clip = clips.slice(2, 3)
    const [whole] = await write(clip)
    const writer = await model.sessions.encode(clip)
    const tokens: number[] = []
    while (tokens.at(-1) !== model.vocabulary.endOfText && tokens.length < 40) {
      const bannedFirst = tokens.length === 0 ? options.bannedFirst : options.banned
      const [part] = await writer.write([[...prompt, ...tokens]], { ...options, bannedFirst, most: 5 })
      tokens.push(...(part?.tokens ?? []).filter((_, i, all) => !all.slice(0, i).includes(model.vocabulary.endOfText)))
    }
    writer.close()
    expect(tokens).toEqual([...(whole?.tokens ?? [])])
  })

  test("writes what agrees with a draft and the token behind, as without it", async () => {
    const clip = clips.slice(1, 2)
    const [{ tokens, logprobs }] = (await write(clip)) as [Written]
    const wrong = tokens.with(3, 400)
    for (const [draft, agreed] of [
      [tokens, tokens.length],
      [tokens.slice(0, 4), 5],
      [wrong, 4],
    ] as const) {
      const [written] = await write(clip, { draft })
      expect([...(written?.tokens ?? [])]).toEqual([...tokens.slice(0, agreed)])
      for (const [i, logprob] of (written?.logprobs ?? []).entries()) expect(logprob).toBeCloseTo(logprobs[i] ?? 1, 1)
    }
  })

  test("tells where it listened: shares of the audio that move forward with the text", async () => {
    const { alignment } = model.sessions
    const heads = alignment?.heads ?? 0
    expect(heads).toBe(8)
    const written = await write(clips, { attention: true })
    for (const [i, { tokens, attention }] of written.entries()) {
      const positions = (clips[i]?.frames ?? 0) / 2 - 2
      expect(attention).toHaveLength(tokens.length)
      const peaks: number[] = []
      const shares: number[] = []
      for (const row of attention ?? []) {
        expect(row).toHaveLength(heads * positions)
        const sums = Array.from({ length: heads }, (_, head) => sum(row.subarray(head * positions, (head + 1) * positions)))
        for (const share of sums) expect(share).toBeLessThan(1.0001)
        shares.push(sum(sums) / heads)
        const mean = Float32Array.from({ length: positions }, (_, at) =>
          sum(Array.from({ length: heads }, (_, head) => row[head * positions + at] ?? 0)),
        )
        peaks.push(mean.indexOf(Math.max(...mean)))
      }
      // The rest went to the silence behind: most of it when the text ends.
      expect(sum(shares) / shares.length).toBeGreaterThan(0.4)
      const forward = peaks.filter((peak, k) => k === 0 || peak >= (peaks[k - 1] ?? 0))
      expect(forward.length / peaks.length).toBeGreaterThan(0.7)
      expect(peaks.at(-2)).toBeGreaterThan(positions / 3)
    }
    const [lone] = await write(clips.slice(0, 1), { attention: true })
    const [together] = written
    for (const [k, row] of (lone?.attention ?? []).entries()) expect([...row]).toEqual([...(together?.attention?.[k] ?? [])])
    const [plain] = await write(clips.slice(0, 1))
    expect(plain?.attention).toBeNull()
    const [drafted] = await write(clips.slice(0, 1), { attention: true, draft: plain?.tokens })
    expect(drafted?.attention).toHaveLength(plain?.tokens.length ?? 0)
    expect(drafted?.attention?.[2]?.[40]).toBeCloseTo(lone?.attention?.[2]?.[40] ?? 1, 3)
  })

  test("draws at a temperature, and draws the same again", async () => {
    const hot = await write(clips, { temperature: 1.5 })
    const texts = hot.map(({ tokens }) => tokens)
    expect((await write(clips, { temperature: 1.5 })).map(({ tokens }) => tokens)).toEqual(texts)
    expect((await write(clips.slice(0, 1), { temperature: 1.5 }))[0]?.tokens.slice(0, 8)).toEqual(texts[0]?.slice(0, 8) ?? [])
    const cold = await alone()
    expect(texts).not.toEqual(cold.map(({ tokens }) => tokens))
    // Told at temperature 0: what was drawn is less likely than what is likeliest.
    expect(hot.map(({ logprobs }) => sum(logprobs) / logprobs.length)[0]).toBeLessThan(sum(cold[0]?.logprobs ?? []) / 10)
    expect((await write(clips, { temperature: 1e-6 })).map(({ tokens }) => tokens)).toEqual(cold.map(({ tokens }) => tokens))
  })
})

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0)
