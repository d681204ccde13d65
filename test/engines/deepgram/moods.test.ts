import { expect, test } from "bun:test"
import { realClock } from "../../../src/clock.ts"
import { deepgram, engineAt, open, useDeepgram } from "../../support/deepgram-bench.ts"
import type { Call } from "../../support/deepgram-upstream.ts"

useDeepgram()

const WORD_SAMPLES = 1_600

/** Audio in which every tenth of a second is the number of a word. */
function spokenNumbers(from: number, to: number): Int16Array {
  return Int16Array.from({ length: (to - from) * WORD_SAMPLES }, (_, i) => from + Math.floor(i / WORD_SAMPLES))
}

/** A Deepgram with moods: understands the numbers, cuts its finals anywhere, forgets Finalizes, and drops when it likes. */
function understandMoodily(call: Call, random: () => number) {
  let heard = 0
  function tell(to: number, options: { fromFinalize?: boolean; speechFinal?: boolean; final?: boolean }) {
    const numbers = call.audio().subarray(heard, to)
    const text = Array.from({ length: numbers.length / WORD_SAMPLES }, (_, i) => `w${numbers[i * WORD_SAMPLES]}`).join(" ")
    call.results(text, { start: heard / 16_000, end: to / 16_000, ...options })
    if (options.final !== false) heard = to
  }
  call.onWire = () => {
    const said = call.wire.at(-1)
    const whole = Math.floor(call.audio().length / WORD_SAMPLES) * WORD_SAMPLES
    if (random() < 0.05) call.drop()
    else if (said === "Finalize") random() < 0.9 && tell(whole, { fromFinalize: true, speechFinal: random() < 0.5 })
    else if (said === "CloseStream") {
      tell(whole, {})
      call.metadata()
      call.close(1000)
    } else if (random() < 0.3) tell(whole, { final: false })
    else if (random() < 0.5)
      tell(heard + Math.floor((random() * (whole - heard)) / WORD_SAMPLES) * WORD_SAMPLES, { speechFinal: random() < 0.3 })
    if (random() < 0.02) call.close(1011)
  }
}

/** The same numbers for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

test.each([1, 2, 3, 4])(
  "every word comes once, in order, before the commit that it was spoken before, whatever Deepgram does (%i)",
  async (seed) => {
    const random = createRandom(seed)
    deepgram.answersCloseStream = false
    deepgram.onCall = (call) => understandMoodily(call, random)
    const timings = { redialMs: 1, graceMs: 10, stallMs: 200, pauseMs: 20 }
    const stream = open(engineAt(deepgram.url, { clock: realClock, timings }))
    let spoken = 0
    const wordsAtCommit: number[] = []
    for (let turn = 0; turn < 60; turn++) {
      const count = Math.floor(random() * 12)
      const samples = spokenNumbers(spoken, spoken + count)
      for (let at = 0, size = 1; at < samples.length; at += size, size = Math.ceil(random() * 9_000))
        stream.accept(samples.slice(at, at + size))
      spoken += count
      if (random() < 0.4) {
        stream.commit()
        wordsAtCommit.push(spoken)
      }
      // Only the rhythm of the talk: nothing is waited for here.
      if (random() < 0.3) await Bun.sleep(random() * 30)
    }
    stream.finish()
    const heard: string[] = []
    const heardAtCommit: number[] = []
    for (const [index, event] of (await stream.rest()).entries()) {
      if (event.type === "failed") throw new Error(event.message)
      expect(event.utterance).toBe(index)
      heard.push(...event.text.split(" ").filter((word) => word !== ""))
      if (event.cause === "commit") heardAtCommit.push(heard.length)
    }
    expect(heard).toEqual(Array.from({ length: spoken }, (_, word) => `w${word}`))
    expect(heardAtCommit).toEqual(wordsAtCommit)
  },
)
