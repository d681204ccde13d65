import { describe, expect, test } from "bun:test"
import type { Endpointing } from "../../src/engines/engine.ts"
import { type Boundary, createEndpointer, PAUSE_SAMPLES, UTTERANCE_SAMPLES_MAX } from "../../src/speech/endpointer.ts"
import { WINDOW_SAMPLES } from "../../src/speech/vad/vad.ts"

const usual: Endpointing = { threshold: 0.5, prefixMs: 320, silenceMs: 480, maxMs: 30_000 }

/** In windows. */
const PREFIX = 10
const SILENCE = 15
const PAUSE = PAUSE_SAMPLES / WINDOW_SAMPLES

/** Runs of [probability, windows]. */
type Script = readonly (readonly [number, number])[]

const windowsOf = (script: Script) => script.flatMap(([probability, count]) => Array<number>(count).fill(probability))

function boundariesOf(script: Script, settings: Partial<Endpointing> = {}): Boundary[] {
  const endpointer = createEndpointer({ ...usual, ...settings })
  return windowsOf(script).flatMap((probability) => endpointer.hear(probability))
}

const at = (windows: number) => windows * WINDOW_SAMPLES

describe("an utterance", () => {
  test("begins with its pre-roll and ends after its silence, with a short trail", () => {
    const boundaries = boundariesOf([
      [0, 40],
      [0.9, 30],
      [0, 40],
    ])
    expect(boundaries).toMatchObject([
      { type: "start", startSample: at(40 - PREFIX) },
      { type: "pause", endSample: at(70 + PAUSE) },
      { type: "end", cause: "endpoint", endSample: at(70 + PAUSE), atSample: at(70 + SILENCE) },
    ])
  })

  test("is not begun by a click", () => {
    for (const windows of [1, 2]) {
      expect(
        boundariesOf([
          [0, 20],
          [1, windows],
          [0, 40],
        ]),
      ).toEqual([])
    }
    expect(
      boundariesOf([
        [0, 20],
        [1, 3],
        [0, 40],
      ]),
    ).toHaveLength(3)
  })

  test("needs more to begin than to go on", () => {
    expect(
      boundariesOf([
        [0.45, 100],
        [0, 40],
      ]),
    ).toEqual([])
    const softer = boundariesOf([
      [0.6, 3],
      [0.4, 100],
      [0.3, 40],
    ])
    expect(softer.at(-1)).toMatchObject({ type: "end", cause: "endpoint", atSample: at(103 + SILENCE) })
  })

  test("ends even at a threshold so low that its hysteresis would lie below zero", () => {
    const boundaries = boundariesOf(
      [
        [0.3, 10],
        [0.02, 40],
      ],
      { threshold: 0.1 },
    )
    expect(boundaries.at(-1)).toMatchObject({ type: "end", cause: "endpoint" })
  })

  test("goes on when speech comes back in time", () => {
    const types = boundariesOf([
      [0.9, 10],
      [0, PAUSE + 3],
      [0.9, 10],
      [0, 2],
      [0.9, 10],
      [0, 40],
    ]).map(({ type }) => type)
    expect(types).toEqual(["start", "pause", "resume", "pause", "end"])
  })

  test("has no pause, and no trail beyond its end, when the silence it waits for is shorter", () => {
    const boundaries = boundariesOf(
      [
        [0.9, 10],
        [0, 40],
      ],
      { silenceMs: 96 },
    )
    expect(boundaries).toMatchObject([
      { type: "start", startSample: 0 },
      { type: "end", cause: "endpoint", endSample: at(13), atSample: at(13) },
    ])
  })

  test("takes no audio from the one before it as its pre-roll", () => {
    const boundaries = boundariesOf(
      [
        [0.9, 10],
        [0, SILENCE + 2],
        [0.9, 10],
      ],
      { prefixMs: 2000 },
    )
    const [first, second] = boundaries.filter((boundary) => boundary.type === "start")
    const end = boundaries.find((boundary) => boundary.type === "end")
    expect(first).toMatchObject({ startSample: 0 })
    expect(second?.startSample).toBe(end?.endSample as number)
  })
})

describe("an utterance that grows too long", () => {
  test("is cut in the middle of its best pause, and what follows is the next one", () => {
    const boundaries = boundariesOf(
      [
        [0.9, 200],
        [0.36, 8],
        [0.9, 60],
        [0.5, 2],
        [0.9, 60],
      ],
      { maxMs: 10_000 },
    )
    expect(boundaries).toMatchObject([
      { type: "start", startSample: 0 },
      { type: "end", cause: "max", endSample: at(204), atSample: at(204) },
      { type: "start", startSample: at(204) },
    ])
  })

  test("ends where it is if its limit falls into a silence, and silence begins none", () => {
    const boundaries = boundariesOf(
      [
        [0.9, 310],
        [0, 60],
      ],
      { maxMs: 10_000 },
    )
    expect(boundaries.map(({ type }) => type)).toEqual(["start", "end"])
    expect(boundaries[1]).toMatchObject({ cause: "max", endSample: at(313), atSample: at(313) })
  })

  test("is cut again and again in endless speech, without a gap and never beyond the limit", () => {
    for (const maxMs of [0, 1000, 3000, 30_000, 1e9]) {
      const boundaries = boundariesOf([[0.9, 30_000]], { maxMs })
      const starts = boundaries.filter((boundary) => boundary.type === "start").map(({ startSample }) => startSample)
      const ends = boundaries.filter((boundary) => boundary.type === "end").map(({ endSample }) => endSample)
      expect(ends.length).toBeGreaterThan(0)
      expect(starts.slice(1)).toEqual(ends)
      const limit = Math.min(Math.max(maxMs, 1000) * 16, UTTERANCE_SAMPLES_MAX)
      for (const [index, end] of ends.entries()) expect(end - (starts[index] as number)).toBeLessThanOrEqual(limit)
    }
  })
})

describe("what the caller says", () => {
  const speaking = () => {
    const endpointer = createEndpointer(usual)
    for (const probability of windowsOf([
      [0, 20],
      [0.9, 20],
    ]))
      endpointer.hear(probability)
    return endpointer
  }

  test("ends an utterance in mid-speech at its very sample, and the rest begins the next one there", () => {
    const endpointer = speaking()
    const commit = at(40) + 100
    expect(endpointer.end("commit", commit)).toEqual({ type: "end", cause: "commit", endSample: commit, atSample: commit })
    expect(endpointer.hear(0.9)).toEqual([])
    endpointer.hear(0.9)
    expect(endpointer.hear(0.9)).toMatchObject([{ type: "start", startSample: commit }])
  })

  test("finds no utterance behind a commit at the end of speech", () => {
    const endpointer = speaking()
    endpointer.end("commit", at(40))
    expect(
      windowsOf([
        [0.9, 2],
        [0, 60],
      ]).flatMap((probability) => endpointer.hear(probability)),
    ).toEqual([])
  })

  test("ends in a pause the audio where a final would have ended it anyway", () => {
    const endpointer = speaking()
    const boundaries = windowsOf([[0, 8]]).flatMap((probability) => endpointer.hear(probability))
    const [pause] = boundaries
    expect(pause).toMatchObject({ type: "pause" })
    expect(endpointer.end("commit", at(48))).toMatchObject({ endSample: at(40 + PAUSE), atSample: at(48) })
  })

  test("ends nothing where nothing is open, and takes no pre-roll from what comes", () => {
    const endpointer = createEndpointer(usual)
    for (let window = 0; window < 20; window++) endpointer.hear(0)
    expect(endpointer.end("commit", at(20))).toBeNull()
    const boundaries = windowsOf([[0.9, 3]]).flatMap((probability) => endpointer.hear(probability))
    expect(boundaries).toMatchObject([{ type: "start", startSample: at(20 - PREFIX) }])
  })

  test("may forget everything so far, the pre-roll as well", () => {
    const endpointer = speaking()
    endpointer.forget(at(40) + 7)
    expect(endpointer.open).toBeFalse()
    const boundaries = windowsOf([[0.9, 4]]).flatMap((probability) => endpointer.hear(probability))
    expect(boundaries).toMatchObject([{ type: "start", startSample: at(40) + 7 }])
  })

  test("may change the settings under an open utterance", () => {
    const endpointer = speaking()
    endpointer.configure({ silenceMs: 64 })
    const boundaries = windowsOf([[0, 2]]).flatMap((probability) => endpointer.hear(probability))
    expect(boundaries).toMatchObject([{ type: "end", cause: "endpoint", atSample: at(42) }])
  })
})

test("endless silence asks for no more audio than the pre-roll", () => {
  const endpointer = createEndpointer(usual)
  for (let window = 0; window < 10_000; window++) {
    endpointer.hear(0.01)
    expect(endpointer.heardSamples - endpointer.keptFromSample).toBeLessThanOrEqual(at(PREFIX))
  }
})
