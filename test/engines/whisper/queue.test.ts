import { describe, expect, test } from "bun:test"
import { createQueue, type Urgency, type Waiting } from "../../../src/engines/whisper/queue.ts"

interface Item extends Waiting {
  readonly name: string
}

const SECOND = 16_000

function item(
  name: string,
  {
    urgency = "short",
    seconds = 1,
    alone = false,
    live = false,
    crowd,
  }: { urgency?: Urgency; seconds?: number; alone?: boolean; live?: boolean; crowd?: string } = {},
): Item {
  return { name, urgency, sampleCount: seconds * SECOND, alone, live, crowd }
}

function queueOf(...items: readonly Item[]) {
  /** Whose pieces each busy engine has. */
  const busy: string[] = []
  const queue = createQueue<Item>({ engines: 2, enginesOf: (crowd) => busy.filter((one) => one === crowd).length, interimsMax: 2 })
  for (const item of items) queue.add(item)
  const take = (idleEngines = 1, most = 1) => queue.take(idleEngines, most).map(({ name }) => name)
  return { queue, take, busy }
}

describe("who is next", () => {
  test("is the oldest of the most urgent", () => {
    const { take } = queueOf(item("interim", { urgency: "interim" }), item("long", { urgency: "long" }), item("first"), item("second"))
    expect([take(), take(), take(), take(), take()]).toEqual([["first"], ["second"], ["long"], ["interim"], []])
  })

  test("is a piece of a long utterance after eight turns of short ones, however many of those come", () => {
    const { queue, take } = queueOf(item("long", { urgency: "long" }), item("long", { urgency: "long" }))
    const turns = Array.from({ length: 20 }, () => {
      queue.add(item("short"))
      queue.add(item("short"))
      return take()[0]
    })
    expect(turns.flatMap((name, turn) => (name === "long" ? [turn] : []))).toEqual([8, 17])
  })

  test("owes nothing to a long utterance that was not there", () => {
    const { queue, take } = queueOf(...Array.from({ length: 20 }, () => item("short")))
    for (let turn = 0; turn < 15; turn++) take()
    queue.add(item("long", { urgency: "long" }))
    expect(take()).toEqual(["short"])
  })

  test("is never an interim while anything else waits", () => {
    const { queue, take } = queueOf(item("interim", { urgency: "interim" }))
    for (let turn = 0; turn < 30; turn++) {
      queue.add(item("final", { urgency: turn % 2 ? "long" : "short" }))
      expect(take()).toEqual(["final"])
    }
  })

  test("is what was put back, before all others of its urgency", () => {
    const { queue, take } = queueOf(item("a"), item("b"), item("c"), item("d"))
    queue.putBack(queue.take(1, 2))
    expect([take(), take(), take()]).toEqual([["a"], ["b"], ["c"]])
  })
})

describe("a batch", () => {
  const many = Array.from({ length: 5 }, (_, n) => item(String(n)))

  test("is a fair share of what waits for the idle engines", () => {
    const { take } = queueOf(...many)
    expect([take(2, 9), take(1, 9)]).toEqual([
      ["0", "1", "2"],
      ["3", "4"],
    ])
  })

  test("is one piece for each where there are engines enough", () => {
    expect(queueOf(...many).take(5, 9)).toEqual(["0"])
  })

  test("leaves the busy engines their share where somebody listens", () => {
    const { take } = queueOf(...["a", "b", "c"].map((name) => item(name, { live: true })))
    expect([take(1, 9), take(1, 9)]).toEqual([["a", "b"], ["c"]])
  })

  test("is no larger than the engine can hear", () => {
    expect(queueOf(...many).take(1, 4)).toEqual(["0", "1", "2", "3"])
  })

  test("has thirty seconds of company at most, and a shorter piece may fill the rest", () => {
    const { take } = queueOf(item("a", { seconds: 20 }), item("b", { seconds: 20 }), item("c", { seconds: 11 }), item("d", { seconds: 10 }))
    expect([take(1, 9), take(1, 9)]).toEqual([["a", "b", "d"], ["c"]])
  })

  test("is a minute at most if each piece were as long as the longest", () => {
    const { take } = queueOf(item("a", { seconds: 2 }), item("b", { seconds: 21 }), item("c", { seconds: 2 }), item("d", { seconds: 20 }))
    expect([take(1, 9), take(1, 9)]).toEqual([
      ["a", "b"],
      ["c", "d"],
    ])
  })

  test("holds pieces of one urgency only", () => {
    const { take } = queueOf(item("a"), item("l", { urgency: "long" }), item("i", { urgency: "interim" }), item("b"))
    expect([take(1, 9), take(1, 9), take(1, 9)]).toEqual([["a", "b"], ["l"], ["i"]])
  })

  test("leaves alone what must be alone", () => {
    const { take } = queueOf(item("a", { alone: true }), item("b"), item("c", { alone: true }), item("d"))
    expect([take(1, 9), take(1, 9), take(1, 9)]).toEqual([["a"], ["b", "d"], ["c"]])
  })
})

describe("what waits", () => {
  test("is counted and told for each urgency", () => {
    const told: [Urgency, number][] = []
    const queue = createQueue<Item>({
      engines: 2,
      enginesOf: () => 0,
      interimsMax: 1,
      onWaiting: (urgency, count) => told.push([urgency, count]),
    })
    const [a, b] = [item("a"), item("b")]
    queue.add(a)
    queue.add(b)
    expect([queue.remove(a), queue.remove(a)]).toEqual([true, false])
    queue.putBack(queue.take(1, 1))
    expect(queue.ready("short")).toBe(1)
    expect(queue.clear()).toEqual([b])
    expect(told.filter(([urgency]) => urgency === "short").map(([, count]) => count)).toEqual([1, 2, 1, 0, 1, 0])
  })

  test("has a ceiling for interims only", () => {
    const { queue } = queueOf(...Array.from({ length: 50 }, () => item("final")))
    const added = [1, 2, 3].map(() => queue.add(item("interim", { urgency: "interim" })))
    expect(added).toEqual([true, true, false])
    expect([queue.ready("short"), queue.ready("interim")]).toEqual([50, 2])
  })
})

describe("a client who has more waiting while there are others", () => {
  const flood = { crowd: "flood" }

  test("is behind them, and shares no batch with them", () => {
    const { take } = queueOf(item("flood 1", flood), item("flood 2", flood), item("good 1"), item("good 2"))
    expect([take(1, 4), take(1, 4), take(1, 4)]).toEqual([["good 1", "good 2"], ["flood 1", "flood 2"], []])
  })

  test("has half of the engines, and a free one waits for the others, or for another who crowds", () => {
    const { queue, take, busy } = queueOf(...Array.from({ length: 6 }, (_, nth) => item(`flood ${nth}`, flood)))
    expect(take(2, 2)).toEqual(["flood 0", "flood 1"])
    busy.push("flood")
    expect([queue.ready("short"), take()]).toEqual([0, []])
    queue.add(item("long", { urgency: "long", crowd: "flood" }))
    queue.add(item("interim", { urgency: "interim" }))
    expect([take(), take()]).toEqual([["interim"], []])
    queue.add(item("good"))
    expect([queue.ready("short"), take()]).toEqual([1, ["good"]])
    queue.add(item("crowd", { crowd: "another" }))
    expect(take()).toEqual(["crowd"])
    busy.pop()
    expect(take()).toEqual(["flood 2"])
  })

  test("has all of an only engine", () => {
    const queue = createQueue<Item>({ engines: 1, enginesOf: () => 0, interimsMax: 1 })
    queue.add(item("flood", flood))
    expect(queue.take(1, 1).map(({ name }) => name)).toEqual(["flood"])
  })
})
