import { expect, test } from "bun:test"
import { createHeardMemory } from "../../../src/engines/whisper/heard.ts"
import { floats, type OrtTensor } from "../../../src/engines/whisper/ort.ts"

const memory = () => createHeardMemory({ layers: 1, heads: 2, width: 6 }, (_type, data, dims) => ({ data, dims }) as unknown as OrtTensor)
const valuesOf = (tensor: OrtTensor | undefined) => (tensor ? floats(tensor) : new Float32Array())

test("what is written for each utterance stands one after another in what is read for all", () => {
  const heard = memory().take(2, 5)
  expect(Object.entries(heard.all).map(([name, { dims }]) => [name, ...dims])).toEqual([
    ["cross.bias", 2, 1, 1, 5],
    ["cross.0.key", 2, 2, 3, 5],
    ["cross.0.value", 2, 2, 5, 3],
  ])
  for (const index of [0, 1]) {
    for (const tensor of Object.values(heard.utterance(index))) valuesOf(tensor).fill(index + 1)
  }
  for (const tensor of Object.values(heard.all)) {
    const values = valuesOf(tensor)
    expect([...values]).toEqual([...values.keys()].map((i) => (i < values.length / 2 ? 1 : 2)))
  }
})

test("memory is used again once it is given back, and never before", () => {
  const known = memory()
  const one = known.take(2, 5)
  const other = known.take(2, 5)
  valuesOf(one.all["cross.bias"]).fill(7)
  expect(valuesOf(other.all["cross.bias"])[0]).toBe(0)
  one.release()
  expect(valuesOf(known.take(1, 4).all["cross.bias"])[0]).toBe(7)
})
