import { describe, expect, test } from "bun:test"
import { createFirewall } from "../../../src/engines/whisper/firewall.ts"
import { createListen, type Listen } from "../../../src/engines/whisper/second-opinion.ts"
import type { Segment } from "../../../src/speech/transcript.ts"
import { handClock } from "../../support/clock.ts"
import { energyVad } from "../../support/energy-vad.ts"
import { tapLog } from "../../support/log.ts"

const never = new AbortController().signal
const speech = new Int16Array(16_000).fill(2_000)
const silence = new Int16Array(16_000)

function segment(text: string, noSpeechProb: number, avgLogprob: number): Segment {
  const rest = { startMs: 0, endMs: 1_000, compressionRatio: 0.8, temperature: 0, tokens: [], words: null }
  return { text, noSpeechProb, avgLogprob, ...rest }
}

function open({ listen }: { listen?: Listen | null } = {}) {
  const vad = energyVad()
  const ask = createListen(vad, { clock: handClock(), log: tapLog().log })
  const firewall = createFirewall({ noSpeechThreshold: 0.7, listen: listen === undefined ? ask : listen })
  const kept = async (samples: Int16Array, ...segments: Segment[]) =>
    (await firewall.withoutSilence(segments, samples, never)).map(({ text }) => text)
  return { vad, kept }
}

describe("the firewall", () => {
  test("asks nobody about words that leave no doubt, nor about no words", async () => {
    const { vad, kept } = open()
    expect(await kept(silence, segment("sure", 0.1, -0.3))).toEqual(["sure"])
    expect(await kept(silence)).toEqual([])
    expect(vad.opened).toBe(0)
  })

  test("asks once about a doubtful piece, whose segments stay or go together", async () => {
    const { vad, kept } = open()
    const segments = [segment("He waited.", 0.6, -0.8), segment("Thank you.", 0.6, -0.8)]
    expect(await kept(silence, ...segments)).toEqual([])
    expect(await kept(speech, ...segments)).toEqual(["He waited.", "Thank you."])
    expect([vad.opened, vad.openNow]).toEqual([2, 0])
  })

  test("takes a phrase of subtitles for one only where it is all that was said", async () => {
    const { kept } = open({ listen: null })
    expect(await kept(speech, segment("Thank you.", 0.6, -0.8))).toEqual([])
    expect(await kept(speech, segment("Thank you.", 0.6, -0.8), segment("Wait.", 0.6, -0.8))).toEqual(["Thank you.", "Wait."])
  })

  test("judges by Whisper's numbers alone where there is nobody to ask, or no answer", async () => {
    for (const listen of [null, async () => null]) {
      const { kept } = open({ listen })
      expect(await kept(silence, segment("likely", 0.6, -0.8))).toEqual(["likely"])
      expect(await kept(speech, segment("unlikely", 0.9, -0.8))).toEqual([])
    }
  })
})
