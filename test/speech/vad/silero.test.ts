import { beforeAll, expect, test } from "bun:test"
import modelPath from "@ricky0123/vad-web/dist/silero_vad_v5.onnx" with { type: "file" }
import { joinSamples } from "../../../src/audio/pcm.ts"
import { prepareOrt } from "../../../src/binary/native.ts"
import { CONTEXT_SAMPLES, STATE_FLOATS, type Windows } from "../../../src/speech/vad/ipc.ts"
import type { Silero } from "../../../src/speech/vad/silero.ts"
import { WINDOW_SAMPLES } from "../../../src/speech/vad/vad.ts"
import { createWaitingWindows } from "../../../src/speech/vad/waiting-windows.ts"
import { clip } from "../../support/clips.ts"

const CLIPS = ["ps_sense_and_sensibility_01_austen_64kb-0930", "ps_sense_and_sensibility_01_austen_64kb-0870"]
const WINDOWS = 80

let silero: Silero
let recordings: Int16Array[]
let alone: number[][]
beforeAll(async () => {
  await prepareOrt([])
  silero = await (await import("../../../src/speech/vad/silero.ts")).loadSilero()
  const [first, second] = await Promise.all(CLIPS.map(clip))
  // Speech, silence, the loudest square, and speech that starts elsewhere.
  const square = new Int16Array(WINDOWS * WINDOW_SAMPLES).map((_, i) => (i % 100 < 50 ? 32_767 : -32_768))
  recordings = [first!, new Int16Array(WINDOWS * WINDOW_SAMPLES), square, second!, first!.subarray(5_000), second!.subarray(777)]
  alone = await Promise.all(recordings.map((samples) => byHand(samples)))
})

/** The recipe of Silero, one window after the other, with nothing of ours between. */
async function byHand(samples: Int16Array): Promise<number[]> {
  const { InferenceSession, Tensor } = await import("onnxruntime-node")
  const session = await InferenceSession.create(modelPath, { intraOpNumThreads: 1 })
  const probabilities: number[] = []
  let state: Float32Array = new Float32Array(2 * 128)
  let context: Float32Array = new Float32Array(64)
  for (let window = 0; window < WINDOWS; window++) {
    const sound = Float32Array.from(samples.subarray(window * 512, (window + 1) * 512), (sample) => sample / 32_768)
    const given = await session.run({
      input: new Tensor("float32", Float32Array.of(...context, ...sound), [1, 576]),
      state: new Tensor("float32", state, [2, 1, 128]),
      sr: new Tensor("int64", BigInt64Array.of(16_000n), []),
    })
    probabilities.push(given.output!.data[0] as number)
    state = given.stateN!.data as Float32Array
    context = sound.slice(-64)
  }
  await session.release()
  return probabilities
}

/** All recordings side by side; `counts(message)` says how many windows of each the n-th message brings, until all were heard. */
async function together(recordings: readonly Int16Array[], counts: (message: number) => readonly number[]): Promise<number[][]> {
  const heard: number[][] = recordings.map(() => [])
  const states = recordings.map(() => new Float32Array(STATE_FLOATS))
  const waiting = recordings.map((samples) => {
    const windows = createWaitingWindows()
    windows.add(samples.subarray(0, WINDOWS * WINDOW_SAMPLES))
    return windows
  })
  for (let message = 0; waiting.some(({ count }) => count > 0); message++) {
    const wanted = counts(message)
    const rows = waiting.flatMap((windows, at) => {
      const count = Math.min(wanted[at]!, windows.count)
      return count > 0 ? [{ at, count, samples: new Int16Array(CONTEXT_SAMPLES + count * WINDOW_SAMPLES) }] : []
    })
    for (const { at, samples } of rows) waiting[at]!.take(samples)
    const windows: Windows = {
      type: "windows",
      counts: rows.map(({ count }) => count),
      samples: joinSamples(rows.map(({ samples }) => samples)),
      states: Float32Array.from(rows.flatMap(({ at }) => [...states[at]!])),
    }
    const answer = await silero.hear(windows)
    let from = 0
    for (const [row, { at, count }] of rows.entries()) {
      heard[at]!.push(...answer.probabilities.subarray(from, from + count))
      from += count
      states[at] = answer.states.slice(row * STATE_FLOATS, (row + 1) * STATE_FLOATS)
    }
  }
  return heard
}

test("tells speech from silence", () => {
  const [speech, silence] = alone
  expect(Math.max(...speech!)).toBeGreaterThan(0.99)
  expect(Math.max(...silence!.slice(10))).toBeLessThan(0.05)
})

test("gives each stream, to the last bit, what Silero's recipe gives it alone, whatever the company", async () => {
  expect(await together(recordings, () => recordings.map(() => 1))).toEqual(alone)
  for (const at of recordings.keys()) expect(await together([recordings[at]!], () => [1])).toEqual([alone[at]!])
})

test("gives the same for any number of windows a message, different for each stream", async () => {
  expect(await together(recordings, () => [100, 100, 100, 100, 100, 100])).toEqual(alone)
  expect(await together(recordings, (message) => recordings.map((_, at) => (message * (at + 3) + at) % 11))).toEqual(alone)
})

test("gives the same with 47 others beside", async () => {
  const many = Array.from({ length: 48 }, (_, at) => recordings[at % recordings.length]!)
  expect(await together(many, () => many.map(() => 8))).toEqual(many.map((_, at) => alone[at % recordings.length]!))
})
