import { expect, test } from "bun:test"
import { inlineWeights } from "../../../src/engines/whisper/inline-weights.ts"

/** A field of protobuf that holds bytes, shorter than 128. */
const bytes = (number: number, ...payload: number[]) => [number * 8 + 2, payload.length, ...payload]
const text = (number: number, value: string) => bytes(number, ...new TextEncoder().encode(value))
const entry = (key: string, value: string) => bytes(13, ...text(1, key), ...text(2, value))

/** Two bytes of type uint8 in a file beside the model. */
const outside = (offset: number) => [
  ...bytes(1, 2),
  2 * 8,
  2,
  ...entry("location", "x"),
  ...entry("offset", String(offset)),
  ...entry("length", "2"),
  14 * 8,
  1,
]
const inside = (...values: number[]) => [...bytes(1, 2), 2 * 8, 2, ...bytes(9, ...values)]

/** One weight of the graph, and one of the body of its loop, between other fields. */
const model = (weight: (at: number) => number[]) =>
  Uint8Array.from([
    8,
    9,
    ...bytes(7, ...bytes(1, ...text(4, "Loop"), ...bytes(5, ...bytes(6, ...bytes(5, ...weight(4))))), ...bytes(5, ...weight(1))),
  ])
const data = Uint8Array.of(10, 11, 12, 13, 14, 15)

test("weights come into the model, those of a loop's body too, and all else stays", () => {
  const weights = (at: number) => inside(...data.subarray(at, at + 2))
  expect(new Uint8Array(inlineWeights(model(outside), data))).toEqual(model(weights))
})

test("a model that holds its weights stays as it is", () => {
  const whole = model(() => inside(1, 2))
  expect(new Uint8Array(inlineWeights(whole, data))).toEqual(whole)
})

test("what is cut off is refused, the model or its weights", () => {
  expect(() => inlineWeights(model(outside).subarray(0, -1), data)).toThrow("a model ends in the middle")
  expect(() => inlineWeights(model(outside), data.subarray(0, 5))).toThrow("weights lie beyond the end of their file")
})
