import { describe, expect, test } from "bun:test"
import { createInbox, TURN_MESSAGES_MAX } from "../../src/server/inbox.ts"
import { handClock } from "../support/clock.ts"

function open(read: (message: number) => readonly number[] | Iterator<number> = (message) => [message]) {
  const clock = handClock()
  const obeyed: number[] = []
  let idles = 0
  const inbox = createInbox<number, number>({
    read,
    obey: (command) => void obeyed.push(command),
    onIdle: () => void idles++,
    onBroken: (thrown) => {
      throw thrown
    },
    clock,
  })
  return { inbox, clock, obeyed, idles: () => idles }
}

const upTo = (count: number) => Array.from({ length: count }, (_, nth) => nth)

describe("messages that come at once", () => {
  test("are read some in a turn, in order, to the last; few are read at once", async () => {
    const { inbox, clock, obeyed, idles } = open()
    for (const nth of upTo(2.5 * TURN_MESSAGES_MAX)) inbox.receive(nth)
    expect(obeyed).toEqual(upTo(TURN_MESSAGES_MAX))
    expect([inbox.busy, inbox.full]).toEqual([true, true])
    let idle = false
    void inbox.idle().then(() => {
      idle = true
    })
    await clock.advance(0)
    expect(obeyed).toEqual(upTo(2.5 * TURN_MESSAGES_MAX))
    expect([inbox.busy, inbox.full, idle, idles(), clock.waiting]).toEqual([false, false, true, 1, 0])
    inbox.receive(-1)
    expect(obeyed.at(-1)).toBe(-1)
  })

  test("wait behind one that takes long to read, and are forgotten on close", async () => {
    const { inbox, clock, obeyed } = open((message) => (message === 0 ? [10, 11, 12].values() : [message]))
    for (const nth of [0, 1, 2]) inbox.receive(nth)
    expect(obeyed).toEqual([10])
    await clock.advance(0)
    expect(obeyed).toEqual([10, 11, 12, 1, 2])
    for (const nth of upTo(TURN_MESSAGES_MAX + 5)) inbox.receive(nth + 1)
    inbox.close()
    await clock.advance(0)
    expect(obeyed).toHaveLength(5 + TURN_MESSAGES_MAX)
    expect(clock.waiting).toBe(0)
  })
})
