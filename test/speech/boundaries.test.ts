import { expect, test } from "bun:test"
import type { StreamChanges } from "../../src/engines/engine.ts"
import { createHeardBoundaries, type Mark } from "../../src/speech/boundaries.ts"
import { WINDOW_SAMPLES } from "../../src/speech/vad/vad.ts"
import { energyVad } from "../support/energy-vad.ts"

const ENDPOINTING = { threshold: 0.5, prefixMs: 0, silenceMs: 500, maxMs: 30_000 }

function listening() {
  const vad = energyVad()
  const told: Mark[] = []
  const boundaries = createHeardBoundaries(vad, ENDPOINTING, { tell: (mark) => told.push(mark), onJudged: () => {} })
  return { vad, told, boundaries, silence: (windows: number) => boundaries.accept(new Int16Array(windows * WINDOW_SAMPLES)) }
}

test("a flood of changes behind audio that is not judged yet waits as one", () => {
  const { vad, told, boundaries, silence } = listening()
  vad.hold()
  silence(3)
  boundaries.configure({ language: "fr", prompt: "Bonjour", endpointing: { silenceMs: 300 } })
  for (let time = 0; time < 1000; time++) boundaries.configure({ language: "de", endpointing: { maxMs: 5000 } })
  silence(2)
  vad.release()
  const changes: StreamChanges = { language: "de", prompt: "Bonjour", endpointing: { silenceMs: 300, maxMs: 5000 } }
  expect(told).toEqual([{ type: "configure", changes }])
})

test("changes keep their place among the commits and the audio between them", () => {
  const { vad, told, boundaries, silence } = listening()
  vad.hold()
  silence(1)
  boundaries.configure({ language: "fr" })
  boundaries.commit()
  boundaries.configure({ language: "de" })
  silence(1)
  boundaries.configure({ language: "it" })
  silence(2)
  vad.release()
  expect(told.map((mark) => (mark.type === "configure" ? mark.changes.language : mark.type))).toEqual(["fr", "empty", "de", "it"])
})
