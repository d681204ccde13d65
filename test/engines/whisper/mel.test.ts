import { beforeAll, describe, expect, test } from "bun:test"
import { floatsFromSamples } from "../../../src/audio/pcm.ts"
import { prepareOrt } from "../../../src/binary/native.ts"
import { createLogMel } from "../../../src/engines/whisper/mel.ts"
import preprocessor from "../../../src/engines/whisper/weights/whisper-base/preprocessor_config.json"
import { clip } from "../../support/clips.ts"

/** Frames of the 30 s that transformers.js always computes. */
const FULL_FRAMES = 3000
const TOLERANCE = 1e-4

type Extractor = (samples: Float32Array) => Promise<{ input_features: { data: Float32Array } }>

async function referenceFor(bins: number): Promise<(samples: Float32Array) => Promise<Float32Array>> {
  const { WhisperFeatureExtractor } = await import("@huggingface/transformers")
  const extract = new WhisperFeatureExtractor({ ...preprocessor, feature_size: bins }) as unknown as Extractor
  return async (samples) => (await extract(samples)).input_features.data
}

/** The widest gap between our frames and the first ones of the reference. */
function widestGap(ours: Float32Array, reference: Float32Array, bins: number): number {
  const frames = ours.length / bins
  let gap = 0
  for (let bin = 0; bin < bins; bin++) {
    for (let frame = 0; frame < frames; frame++) {
      gap = Math.max(gap, Math.abs(ours[bin * frames + frame]! - reference[bin * FULL_FRAMES + frame]!))
    }
  }
  return gap
}

describe("log-mel", () => {
  beforeAll(() => prepareOrt([]))

  for (const bins of [80, 128]) {
    test(`${bins} bins are those of transformers.js, for the whole 30 s and for the frames of the speech alone`, async () => {
      const reference = await referenceFor(bins)
      const logMel = createLogMel(bins)
      for (const id of ["ps_sense_and_sensibility_01_austen_64kb-0870", "ps_cards_001", "ns_silence_0.4s"]) {
        const samples = floatsFromSamples(await clip(id))
        const expected = await reference(samples)
        const speechFrames = Math.ceil((samples.length + 8000) / 160)
        for (const frames of [FULL_FRAMES, speechFrames, speechFrames + 1]) {
          const ours = logMel.features(samples, frames)
          expect(ours.length).toBe(bins * frames)
          expect(widestGap(ours, expected, bins)).toBeLessThan(TOLERANCE)
        }
      }
    })
  }

  test("audio that fills the frames to the last one is heard to its end", async () => {
    const reference = await referenceFor(80)
    const noise = Float32Array.from({ length: 28 * 16_000 }, (_, i) => Math.sin(i * i * 1e-5) / 2)
    const expected = await reference(noise)
    expect(widestGap(createLogMel(80).features(noise, 2800), expected, 80)).toBeLessThan(TOLERANCE)
  })

  test("nothing of one utterance is left in the next", async () => {
    const logMel = createLogMel(80)
    const loud = floatsFromSamples(await clip("ps_cards_005"))
    const quiet = floatsFromSamples(await clip("ps_cards_001"))
    const alone = createLogMel(80).features(quiet, 200)
    logMel.features(loud, 400)
    expect(logMel.features(quiet, 200)).toEqual(alone)
  })

  test("no sound at all is the floor in every bin", () => {
    expect(new Set(createLogMel(80).features(new Float32Array(0), 50))).toEqual(new Set([-1.5]))
  })
})
