import { describe, expect, test } from "bun:test"
import { createFirewall } from "../../../src/engines/whisper/firewall.ts"
import { createListen, type Listen } from "../../../src/engines/whisper/second-opinion.ts"
import type { Segment } from "../../../src/speech/transcript.ts"
import { handClock } from "../../support/clock.ts"
import { energyVad } from "../../support/energy-vad.ts"
import { tapLog } from "../../support/log.ts"

const never = new AbortController().signal
/** Five seconds, of which somebody speaks in the last two. */
const samples = new Int16Array(80_000).fill(2_000, 48_000)

function segment(startMs: number, endMs: number, noSpeechProb: number, avgLogprob: number): Segment {
  const rest = { compressionRatio: 0.8, temperature: 0, tokens: [], words: null }
  return { text: ` from ${startMs}`, startMs, endMs, noSpeechProb, avgLogprob, ...rest }
}

function open({ listen }: { listen?: Listen | null } = {}) {
  const vad = energyVad()
  const ask = createListen(vad, { clock: handClock(), log: tapLog().log })
  const firewall = createFirewall({ noSpeechThreshold: 0.7, listen: listen === undefined ? ask : listen })
  const kept = async (...segments: Segment[]) => (await firewall.withoutSilence(segments, samples, never)).map(({ text }) => text)
  return { vad, kept }
}

describe("the firewall", () => {
  test("asks nobody about words that leave no doubt", async () => {
    const { vad, kept } = open()
    expect(await kept(segment(0, 5_000, 0.1, -0.3))).toEqual([" from 0"])
    expect(vad.opened).toBe(0)
  })

  test("asks about the stretch of each doubtful segment, and a margin", async () => {
    const { vad, kept } = open()
    // The second ends so close to the speech that the margin reaches it.
    const segments = [segment(0, 2_000, 0.6, -0.8), segment(1_000, 2_950, 0.6, -0.8), segment(3_500, 5_000, 0.6, -0.8)]
    expect(await kept(...segments)).toEqual([" from 1000", " from 3500"])
    expect([vad.opened, vad.openNow]).toEqual([3, 0])
  })

  test("judges by Whisper's numbers alone where there is nobody to ask, or no answer", async () => {
    for (const listen of [null, async () => null]) {
      expect(await open({ listen }).kept(segment(0, 2_000, 0.6, -0.8), segment(1_000, 2_000, 0.9, -0.8))).toEqual([" from 0"])
    }
  })
})
