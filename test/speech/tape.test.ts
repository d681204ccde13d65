import { heapStats } from "bun:jsc"
import { describe, expect, test } from "bun:test"
import { createTape } from "../../src/speech/tape.ts"

const counting = (count: number) => Int16Array.from({ length: count }, (_, index) => index)

describe("a tape", () => {
  test("reads the same for every split of the same samples", () => {
    const samples = counting(500)
    for (let size = 1; size <= 130; size++) {
      const tape = createTape()
      for (let at = 0; at < samples.length; at += size) tape.add(samples.slice(at, at + size))
      expect(tape.endSample).toBe(500)
      expect(tape.read(0, 500)).toEqual(samples)
      expect(tape.read(123, 456)).toEqual(samples.slice(123, 456))
    }
  })

  test("keeps its places when what is old is dropped", () => {
    const samples = counting(5000)
    for (const size of [1, 7, 160, 512, 5000]) {
      const tape = createTape()
      for (let at = 0; at < samples.length; at += size) {
        tape.add(samples.slice(at, at + size))
        tape.drop(tape.endSample - 300)
        const from = Math.max(0, tape.endSample - 300)
        expect(tape.heldSamples).toBe(Math.min(300, tape.endSample))
        expect(tape.read(from, tape.endSample)).toEqual(samples.slice(from, tape.endSample))
      }
    }
  })

  test("reads nothing where nothing is", () => {
    const tape = createTape()
    expect(tape.read(0, 10)).toEqual(new Int16Array())
    tape.add(counting(10))
    tape.drop(5)
    tape.drop(3)
    expect(tape.read(0, 20)).toEqual(Int16Array.of(5, 6, 7, 8, 9))
    tape.drop(99)
    expect([tape.heldSamples, tape.endSample]).toEqual([0, 10])
  })

  test("gives out what came in one piece as that piece, whatever empty chunks came with it", () => {
    const tape = createTape()
    const piece = counting(2)
    tape.add(new Int16Array())
    tape.add(piece)
    tape.add(new Int16Array())
    expect(tape.read(0, 2)).toBe(piece)
  })

  test("never gives out a part that keeps the rest in memory", () => {
    const tape = createTape()
    tape.add(counting(1000))
    expect(tape.read(10, 20).buffer.byteLength).toBe(20)
  })

  test("in tiny chunks holds few arrays, also when it only remembers the last of them", () => {
    const arrays = () => {
      Bun.gc(true)
      return heapStats().objectTypeCounts.Int16Array ?? 0
    }
    const before = arrays()
    const [long, short] = [createTape(), createTape()]
    for (let count = 0; count < 20_000; count++) {
      long.add(Int16Array.of(count))
      short.add(Int16Array.of(count))
      short.drop(short.endSample - 4800)
    }
    expect(arrays() - before).toBeLessThan(1000)
    expect(long.read(0, 20_000)).toHaveLength(20_000)
    expect(short.read(0, 20_000)).toHaveLength(4800)
  })

  test("holds little more memory than its samples when it remembers the end of a long piece", () => {
    const tape = createTape()
    tape.add(counting(100_000))
    tape.drop(99_000)
    Bun.gc(true)
    expect(tape.read(99_000, 100_000).buffer.byteLength).toBe(2000)
    expect(tape.heldSamples).toBe(1000)
  })
})
