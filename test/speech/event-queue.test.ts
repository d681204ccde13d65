import { describe, expect, test } from "bun:test"
import { createEventQueue } from "../../src/speech/event-queue.ts"

async function rest<Event>(events: AsyncIterable<Event>): Promise<Event[]> {
  const seen: Event[] = []
  for await (const event of events) seen.push(event)
  return seen
}

describe("a queue of events", () => {
  test("gives what came before the end, then ends", async () => {
    const queue = createEventQueue<number>()
    queue.push(1)
    queue.push(2)
    queue.end()
    queue.push(3)
    expect(await rest(queue.events)).toEqual([1, 2])
  })

  test("wakes the reader who waits", async () => {
    const queue = createEventQueue<number>()
    const seen = rest(queue.events)
    await Promise.resolve()
    queue.push(1)
    await Promise.resolve()
    queue.end()
    expect(await seen).toEqual([1])
  })

  test("when cut gives nothing more, not even what a waiting reader was woken for", async () => {
    const queue = createEventQueue<number>()
    const seen = rest(queue.events)
    await Promise.resolve()
    queue.push(1)
    queue.cut()
    expect(await seen).toEqual([])
  })
})
