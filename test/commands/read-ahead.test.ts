import { describe, expect, test } from "bun:test"
import { readAhead } from "../../src/commands/read-ahead.ts"

async function* pieces(count: number, onTaken: (index: number) => void = () => {}): AsyncGenerator<Int16Array> {
  for (let index = 0; index < count; index++) {
    onTaken(index)
    yield Int16Array.of(index, index)
  }
}

describe("sound decoded ahead", () => {
  test("is the same sound, and its length is known before it is heard", async () => {
    const ahead = readAhead(pieces(5))
    await ahead.reached(Number.POSITIVE_INFINITY)
    expect([ahead.samples, ahead.whole]).toEqual([10, true])
    expect((await Array.fromAsync(ahead.pieces)).map(([first]) => first)).toEqual([0, 1, 2, 3, 4])
  })

  test("goes no further ahead than it may, and goes on as it is heard", async () => {
    let taken = -1
    const ahead = readAhead(
      pieces(100, (index) => {
        taken = index
      }),
      8,
    )
    await ahead.reached(8)
    expect([taken, ahead.whole]).toEqual([3, false])
    let heard = 0
    for await (const _ of ahead.pieces) {
      heard++
      expect(taken).toBeLessThanOrEqual(heard + 4)
    }
    expect([heard, ahead.whole]).toEqual([100, true])
  })

  test("that breaks gives what came before, then why", async () => {
    async function* broken() {
      yield* pieces(2)
      throw new Error("damaged")
    }
    const ahead = readAhead(broken())
    await ahead.reached(1)
    const heard: number[] = []
    const reading = (async () => {
      for await (const [first = -1] of ahead.pieces) heard.push(first)
    })()
    await expect(reading).rejects.toThrow("damaged")
    expect([heard, ahead.whole]).toEqual([[0, 1], false])
  })

  test("of which nothing came says why at once", async () => {
    // biome-ignore lint/correctness/useYield: it breaks before
    async function* broken(): AsyncGenerator<Int16Array> {
      throw new Error("no sound")
    }
    await expect(readAhead(broken()).reached(1)).rejects.toThrow("no sound")
  })
})
