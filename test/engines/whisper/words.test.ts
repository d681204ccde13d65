import { describe, expect, test } from "bun:test"
import { msFromSamples } from "../../../src/audio/pcm.ts"
import { alignTokens } from "../../../src/engines/whisper/alignment.ts"
import { quietMoments } from "../../../src/engines/whisper/quiet.ts"
import { timeWords } from "../../../src/engines/whisper/words.ts"

const POSITION_SAMPLES = 320
const POSITION_MS = 20
const HEADS = 3

/** As a head listens: most of it around one place, a little everywhere, and a tenth in the silence behind the audio. */
function listening(centre: number, positions: number, behind = 35): Float32Array {
  const row = new Float32Array(HEADS * (positions + behind))
  for (let head = 0; head < HEADS; head++) {
    for (let at = 0; at < positions + behind; at++) {
      row[head * (positions + behind) + at] = 0.9 * Math.exp(-((at - centre - head + 1) ** 2) / 8) + 0.1 / (positions + behind)
    }
  }
  return row
}

/** A voice in the spans given, in positions; elsewhere a whisper of noise. */
function speech(positions: number, spans: readonly (readonly [number, number])[], noise = 2): Int16Array {
  let state = 1
  const random = () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647 - 0.5
  }
  return Int16Array.from({ length: positions * POSITION_SAMPLES }, (_, i) => {
    const at = i / POSITION_SAMPLES
    return random() * (spans.some(([from, to]) => at >= from && at < to) ? 16_000 : noise)
  })
}

/** Both at once; `loud` lasts as long as `soft`. */
function together(loud: Int16Array, soft: Int16Array): Int16Array {
  return loud.map((sample, at) => sample + (soft[at] ?? 0))
}

/** Token n is spelled " wN"; 9 is a full stop. */
const textOf = (tokens: readonly number[]) => tokens.map((token) => (token === 9 ? "." : ` w${token}`)).join("")

interface Said {
  tokens: readonly number[]
  centres: readonly number[]
  samples: Int16Array
  logprobs?: readonly (number | null)[]
}

function timed({ tokens, centres, samples, logprobs = tokens.map(() => -0.1) }: Said) {
  const positions = Math.ceil(samples.length / POSITION_SAMPLES)
  const attention = centres.map((centre) => listening(centre, positions))
  return timeWords({ tokens, logprobs, attention, heads: HEADS, samples }, textOf)
}

describe("the path through tokens and time", () => {
  test("goes through where each token was listened to", () => {
    const { bounds } = alignTokens(
      [10, 30, 50, 70].map((centre) => listening(centre, 80)),
      HEADS,
      80,
    )
    expect(bounds).toHaveLength(5)
    expect([bounds[0], bounds[4]]).toEqual([0, 80])
    for (const [i, centre] of [10, 30, 50, 70].entries()) {
      expect(bounds[i]).toBeLessThanOrEqual(centre)
      expect(bounds[i + 1]).toBeGreaterThan(centre)
    }
  })

  test("never goes back, not even where the heads do, and does with fewer moments than tokens", () => {
    const rising = (bounds: readonly number[]) => expect(bounds).toEqual(bounds.toSorted((a, b) => a - b))
    rising(
      alignTokens(
        [10, 50, 30, 70].map((centre) => listening(centre, 80)),
        HEADS,
        80,
      ).bounds,
    )
    const crowded = alignTokens(
      [0, 1, 1, 2, 2].map((centre) => listening(centre, 3)),
      HEADS,
      3,
    )
    rising(crowded.bounds)
    expect(crowded.bounds).toHaveLength(6)
    expect(crowded.bounds.slice(3)).toEqual([2, 2, 3])
    expect(alignTokens([listening(0, 1)], HEADS, 1).bounds).toEqual([0, 1])
  })

  test("is not led by a head that tells nothing", () => {
    const flat = new Float32Array(2 * 40).fill(1 / 40)
    const rows = [5, 15, 35].map((centre) => {
      const row = flat.slice()
      for (let at = 0; at < 40; at++) row[at] = Math.exp(-((at - centre) ** 2) / 8)
      return row
    })
    const silent = rows.map(() => new Float32Array(2 * 40))
    const { bounds } = alignTokens(rows, 2, 40)
    expect(bounds[1]).toBeWithin(6, 16)
    expect(bounds[2]).toBeWithin(16, 36)
    expect(alignTokens(silent, 2, 40).bounds.every(Number.isInteger)).toBe(true)
  })
})

describe("quiet moments", () => {
  const quietOf = (samples: Int16Array) => [...quietMoments(samples, POSITION_SAMPLES)].join("")

  test("are those far below the speech, in silence and in soft noise", () => {
    for (const noise of [0, 2, 100]) {
      const quiet = quietOf(
        speech(
          20,
          [
            [5, 9],
            [12, 20],
          ],
          noise,
        ),
      )
      expect(quiet).toBe("11111000011100000000")
    }
  })

  test("are none where the noise is as loud as soft speech, nor in a sound without pauses, nor in nothing", () => {
    expect(quietOf(speech(20, [[5, 20]], 8_000))).not.toContain("1")
    expect(quietOf(speech(20, [[0, 20]]))).not.toContain("1")
    expect(quietOf(new Int16Array(0))).toBe("")
  })
})

describe("words", () => {
  const said = { tokens: [1, 2, 3], centres: [12, 32, 52, 62], samples: speech(70, [[10, 60]]) }

  test("follow each other where nobody pauses, from the first sound to the last", () => {
    const words = timed(said)
    expect(words.map(({ text }) => text)).toEqual(["w1", "w2", "w3"])
    expect([words[0]?.startMs, words[2]?.endMs]).toEqual([10 * POSITION_MS, 60 * POSITION_MS])
    expect(words[1]?.startMs).toBe(words[0]?.endMs ?? Number.NaN)
    expect(words[0]?.endMs).toBeWithin(13 * POSITION_MS, 32 * POSITION_MS)
    expect(words[1]?.endMs).toBeWithin(33 * POSITION_MS, 52 * POSITION_MS)
  })

  test("come later by as much as there is silence before them", () => {
    const late = timed({ ...said, centres: said.centres.map((centre) => centre + 150), samples: speech(220, [[160, 210]]) })
    expect(late.map(({ startMs, endMs }) => [startMs - 3000, endMs - 3000])).toEqual(
      timed(said).map(({ startMs, endMs }) => [startMs, endMs]),
    )
  })

  test("end where a pause begins, also with a full stop that is listened to behind it", () => {
    const words = timed({
      tokens: [1, 9, 2],
      centres: [12, 58, 62, 75],
      samples: speech(80, [
        [10, 20],
        [60, 70],
      ]),
    })
    expect(words).toMatchObject([
      { text: "w1.", startMs: 200, endMs: 400 },
      { text: "w2", startMs: 1200, endMs: 1400 },
    ])
  })

  test("leave out the noise of their own take, though there is silence between the takes", () => {
    // Two takes behind a gate, each with 400 ms of noise before and behind its word.
    const takes = [
      [30, 90],
      [150, 210],
    ] as const
    const noise = speech(240, takes).map((sample) => sample / 16)
    const samples = together(
      speech(
        240,
        takes.map(([from, to]) => [from + 20, to - 20] as const),
        0,
      ),
      noise,
    )
    const words = timed({ tokens: [1, 2], centres: [60, 180, 230], samples })
    expect(words).toMatchObject([
      { startMs: 50 * POSITION_MS, endMs: 70 * POSITION_MS },
      { startMs: 170 * POSITION_MS, endMs: 190 * POSITION_MS },
    ])
  })

  test("are not lengthened by a click in the pause", () => {
    const spans = [
      [10, 20],
      [35, 37],
      [60, 70],
    ] as const
    const words = timed({ tokens: [1, 2], centres: [15, 65, 75], samples: speech(80, spans) })
    expect(words).toMatchObject([
      { startMs: 200, endMs: 400 },
      { startMs: 1200, endMs: 1400 },
    ])
  })

  test("do not fill a pause whose noise is as loud as the speech", () => {
    const samples = speech(400, [[0, 400]])
    const [first, second] = timed({ tokens: [1, 2], centres: [150, 300, 390], samples })
    expect(first?.startMs).toBeWithin(2800, 3000)
    expect(first?.endMs).toBeWithin(3000, 3700)
    expect(second?.startMs).toBeWithin(5800, 6000)
    expect(second?.endMs).toBeWithin(6000, 6700)
  })

  test("stay within the samples, do not overlap and have some length, whatever was listened to", () => {
    for (const centres of [
      [0, 0, 0, 0],
      [69, 69, 69, 69],
      [60, 40, 20, 0],
      [-50, 200, 500, 900],
    ]) {
      const samples = speech(70, [[10, 70]]).subarray(0, 70 * POSITION_SAMPLES - 100)
      const words = timed({ tokens: [1, 2, 3], centres, samples })
      let last = 0
      for (const { startMs, endMs } of words) {
        expect(startMs).toBeGreaterThanOrEqual(last)
        expect(endMs).toBeGreaterThanOrEqual(startMs)
        last = endMs
      }
      expect(last).toBeLessThanOrEqual(msFromSamples(samples.length))
      expect(words).toHaveLength(3)
    }
  })

  test("are as sure as their tokens, without punctuation and what was forced", () => {
    const logprobs = [-0.2, -3, null, -1]
    const words = timed({ ...said, tokens: [1, 9, 2, 3], centres: [12, 30, 32, 52, 62], logprobs })
    expect(words.map(({ confidence }) => confidence)).toEqual([expect.closeTo(Math.exp(-0.2)), null, expect.closeTo(Math.exp(-1))])
  })

  test("are none where there is no text or no sound", () => {
    expect(timed({ tokens: [], centres: [30], samples: speech(70, []) })).toEqual([])
    expect(timeWords({ tokens: [1], logprobs: [-1], attention: [], heads: HEADS, samples: new Int16Array(0) }, textOf)).toEqual([])
  })
})
