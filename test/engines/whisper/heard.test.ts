import { expect, test } from "bun:test"
import { sideBySide } from "../../../src/engines/whisper/heard.ts"
import type { OrtTensor, TensorMaker } from "../../../src/engines/whisper/ort.ts"

const newTensor: TensorMaker = (_type, data, dims) => ({ data, dims }) as unknown as OrtTensor

/** `positions` of speech, then a tail. */
const heard = (positions: number, tail: number, byte: number) => ({
  states: new Uint8Array((positions + tail) * 2).fill(byte),
  scale: byte / 100,
  positions,
})

test("utterances stand side by side, the shorter one lengthened by what has no weight", () => {
  const feeds = sideBySide([heard(3, 2, 7), heard(15, 2, 9)], { width: 2, stride: 12 }, newTensor)
  expect(Object.entries(feeds).map(([name, { dims }]) => [name, ...dims])).toEqual([
    ["heard", 2, 32, 2],
    ["scales", 2, 1, 1],
    ["bias", 2, 1, 1, 32],
  ])
  expect(feeds.heard?.data).toEqual(
    Uint8Array.from([...Array(10).fill(7), ...Array(54).fill(128), ...Array(34).fill(9), ...Array(30).fill(128)]),
  )
  expect(feeds.scales?.data).toEqual(Float32Array.of(0.07, 0.09))
  const [speech, tail, none] = [0, Math.log(12), Number.NEGATIVE_INFINITY]
  expect(feeds.bias?.data).toEqual(
    Float32Array.from([
      ...Array(3).fill(speech),
      ...Array(2).fill(tail),
      ...Array(27).fill(none),
      ...Array(15).fill(speech),
      ...Array(2).fill(tail),
      ...Array(15).fill(none),
    ]),
  )
})

test("an utterance alone is as long as it is in any company of its length", () => {
  const [alone] = [sideBySide([heard(15, 1, 9)], { width: 2, stride: 12 }, newTensor)]
  expect(alone.heard?.dims).toEqual([1, 16, 2])
})
