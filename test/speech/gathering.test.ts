import { heapStats } from "bun:jsc"
import { describe, expect, test } from "bun:test"
import { createGathering } from "../../src/speech/gathering.ts"

describe("gathered audio", () => {
  test("is the same for every split of the same samples", () => {
    const samples = Int16Array.from({ length: 500 }, (_, index) => index * 3)
    for (let size = 1; size <= 130; size++) {
      const gathering = createGathering()
      for (let at = 0; at < samples.length; at += size) gathering.add(samples.slice(at, at + size))
      expect(gathering.sampleCount).toBe(500)
      expect(gathering.take()).toEqual(samples)
    }
  })

  test("is given out once", () => {
    const gathering = createGathering()
    gathering.add(Int16Array.of(1, 2))
    gathering.take()
    expect(gathering.sampleCount).toBe(0)
    expect(gathering.take()).toEqual(new Int16Array())
  })

  test("that came in one piece is that piece, whatever empty chunks came with it", () => {
    const gathering = createGathering()
    const piece = Int16Array.of(1, 2)
    gathering.add(new Int16Array())
    gathering.add(piece)
    gathering.add(new Int16Array())
    expect(gathering.take()).toBe(piece)
  })

  test("in tiny chunks holds few arrays", () => {
    const arrays = () => {
      Bun.gc(true)
      return heapStats().objectTypeCounts.Int16Array ?? 0
    }
    const before = arrays()
    const gathering = createGathering()
    for (let count = 0; count < 20_000; count++) gathering.add(Int16Array.of(count))
    expect(arrays() - before).toBeLessThan(1000)
    expect(gathering.take()).toHaveLength(20_000)
  })
})
