import { describe, expect, test } from "bun:test"
import { getEventListeners } from "node:events"
import { EngineError } from "../src/engines/engine.ts"
import { createPermits } from "../src/permits.ts"

const never = new AbortController().signal

/** The code of the EngineError a promise rejects with. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  const thrown = await promise.then(
    () => null,
    (error: unknown) => error,
  )
  expect(thrown).toBeInstanceOf(EngineError)
  return (thrown as EngineError).code
}

describe("permits", () => {
  test("go out at once up to their number", async () => {
    const permits = createPermits({ atOnce: 2, waitingMax: 0 })
    await permits.take(never)
    await permits.take(never)
    expect(permits.taken).toBe(2)
    expect(permits.waiting).toBe(0)
  })

  test("are refused as overloaded when too many wait, and the refusal is retryable", async () => {
    const permits = createPermits({ atOnce: 1, waitingMax: 1 })
    await permits.take(never)
    const waits = permits.take(never)
    const refused = await permits.take(never).catch((error: EngineError) => error)
    expect(refused).toMatchObject({ name: "EngineError", code: "overloaded", retryable: true })
    expect(permits.waiting).toBe(1)
    void waits
  })

  test("say in their refusal that none may wait, where none may", async () => {
    const permits = createPermits({ atOnce: 1, waitingMax: 0 })
    await permits.take(never)
    await expect(permits.take(never)).rejects.toMatchObject({ code: "overloaded", message: "all are busy, and none may wait" })
  })

  test("tell how much work a new piece of a client's would come behind: all of its own, one of each other client", async () => {
    const permits = createPermits({ atOnce: 2, waitingMax: 9 })
    const ask = (client?: string) => permits.take(never, { long: false, client })
    expect(permits.ahead("a")).toBe(0)
    const first = await ask("a")
    await ask()
    for (const client of ["a", "a", "b", "b", "c"]) void ask(client)
    expect([permits.ahead("a"), permits.ahead("b"), permits.ahead("c"), permits.ahead("d")]).toEqual([5, 4, 3, 3])
    first()
    expect(permits.ahead("d")).toBe(3)
  })

  test("are never all out to long work, and short work passes long work that waits", async () => {
    const permits = createPermits({ atOnce: 2, waitingMax: 9 })
    const releaseLong = await permits.take(never, { long: true })
    const order: string[] = []
    const secondLong = permits.take(never, { long: true }).then((release) => {
      order.push("long")
      return release
    })
    const releaseShort = await permits.take(never)
    order.push("short")
    expect([permits.taken, permits.waiting]).toEqual([2, 1])
    releaseShort()
    await permits.take(never).then((release) => release())
    expect(order).toEqual(["short"])
    releaseLong()
    ;(await secondLong)()
    expect([permits.taken, permits.waiting]).toEqual([0, 0])
  })

  test("go to long work up to half of them", async () => {
    const permits = createPermits({ atOnce: 5, waitingMax: 9 })
    for (let n = 0; n < 2; n++) await permits.take(never, { long: true })
    expect(await Promise.race([permits.take(never, { long: true }), Promise.resolve("waits")])).toBe("waits")
    for (let n = 0; n < 3; n++) await permits.take(never)
    expect([permits.taken, permits.waiting]).toEqual([5, 1])
  })

  test("go to long work too when there is only one", async () => {
    const permits = createPermits({ atOnce: 1, waitingMax: 9 })
    const release = await permits.take(never, { long: true })
    const next = permits.take(never, { long: true })
    release()
    ;(await next)()
    expect([permits.taken, permits.waiting]).toEqual([0, 0])
  })

  test("are handed on in order of arrival", async () => {
    const permits = createPermits({ atOnce: 1, waitingMax: 9 })
    const order: number[] = []
    const first = await permits.take(never)
    const waiters = [1, 2, 3].map(async (place) => {
      const release = await permits.take(never)
      order.push(place)
      release()
    })
    first()
    await Promise.all(waiters)
    expect(order).toEqual([1, 2, 3])
    expect(permits.taken).toBe(0)
  })

  test("given back twice count once", async () => {
    const permits = createPermits({ atOnce: 2, waitingMax: 1 })
    const release = await permits.take(never)
    await permits.take(never)
    release()
    release()
    expect(permits.taken).toBe(1)
    await permits.take(never)
    expect(await Promise.race([permits.take(never), Promise.resolve("waits")])).toBe("waits")
  })

  test("a permit given back twice does not let two waiters in", async () => {
    const permits = createPermits({ atOnce: 1, waitingMax: 2 })
    const release = await permits.take(never)
    const one = permits.take(never)
    const two = permits.take(never)
    release()
    release()
    await one
    expect(permits).toMatchObject({ taken: 1, waiting: 1 })
    expect(await Promise.race([two, Promise.resolve("waits")])).toBe("waits")
  })

  test("an abort while waiting leaves no trace and costs the others nothing", async () => {
    const permits = createPermits({ atOnce: 1, waitingMax: 2 })
    const release = await permits.take(never)
    const abort = new AbortController()
    const leaves = permits.take(abort.signal)
    const stays = permits.take(never)
    abort.abort()
    expect(await codeOf(leaves)).toBe("aborted")
    expect(permits).toMatchObject({ taken: 1, waiting: 1 })
    release()
    const releaseOther = await stays
    releaseOther()
    expect(permits).toMatchObject({ taken: 0, waiting: 0 })
  })

  test("an abort after the permit was given takes nothing back", async () => {
    const permits = createPermits({ atOnce: 1, waitingMax: 1 })
    const release = await permits.take(never)
    const abort = new AbortController()
    const granted = permits.take(abort.signal)
    release()
    abort.abort()
    const releaseGranted = await granted
    expect(permits.taken).toBe(1)
    expect(getEventListeners(abort.signal, "abort")).toEqual([])
    releaseGranted()
    expect(permits.taken).toBe(0)
  })

  test("whoever gave up before asking is told so, even if one is free", async () => {
    const permits = createPermits({ atOnce: 1, waitingMax: 1 })
    expect(await codeOf(permits.take(AbortSignal.abort()))).toBe("aborted")
    expect(permits.taken).toBe(0)
  })

  test("every change of the number waiting is reported", async () => {
    const counts: number[] = []
    const permits = createPermits({ atOnce: 1, waitingMax: 3, onWaiting: (count) => counts.push(count) })
    const release = await permits.take(never)
    const abort = new AbortController()
    const leaves = permits.take(abort.signal)
    const stays = permits.take(never)
    abort.abort()
    await codeOf(leaves)
    release()
    await stays
    expect(counts).toEqual([1, 2, 1, 0])
  })

  test("a senseless number of them is refused when they are made", () => {
    expect(() => createPermits({ atOnce: 0, waitingMax: 1 })).toThrow(RangeError)
    expect(() => createPermits({ atOnce: 1.5, waitingMax: 1 })).toThrow(RangeError)
    expect(() => createPermits({ atOnce: 1, waitingMax: -1 })).toThrow(RangeError)
  })

  test("go to clients in turns, and to the sessions of a client in turns, whoever came first", async () => {
    const permits = createPermits({ atOnce: 1, waitingMax: 100 })
    const order: string[] = []
    const leave = await permits.take(never, { long: false, client: "flood", session: "1" })
    const asked = [
      ...["1", "1", "1", "2"].map((session) => ["flood", session]),
      ...["3", "3"].map((session) => ["other", session]),
      ["third", "4"],
    ].map(async ([client, session]) => {
      const giveBack = await permits.take(never, { long: false, client, session })
      order.push(`${client} ${session}`)
      giveBack()
    })
    leave()
    await Promise.all(asked)
    expect(order).toEqual(["other 3", "third 4", "flood 2", "other 3", "flood 1", "flood 1", "flood 1"])
  })

  test("are all one client's while there is no other, and then half of them, until the other is long gone", async () => {
    const permits = createPermits({ atOnce: 4, waitingMax: 10 })
    const flood = { long: false, client: "flood" }
    const first = await Promise.all(Array.from({ length: 4 }, () => permits.take(never, flood)))
    expect(permits.taken).toBe(4)
    for (const giveBack of first) giveBack()
    const other = await permits.take(never, { long: false, client: "other" })
    const more = Array.from({ length: 4 }, () => permits.take(never, flood))
    expect([permits.taken, permits.waiting]).toEqual([3, 2])
    other()
    expect([permits.taken, permits.waiting]).toEqual([2, 2])
    for (const taken of more) (await taken)()
    for (let turn = 0; turn < 64; turn++) (await permits.take(never, flood))()
    await Promise.all(Array.from({ length: 4 }, () => permits.take(never, flood)))
    expect(permits.taken).toBe(4)
  })

  test("are crowded by a client who has more waiting, while there are others", async () => {
    const permits = createPermits({ atOnce: 2, waitingMax: 10 })
    const flood = { long: false, client: "flood" }
    const alone = await Promise.all([permits.take(never, flood), permits.take(never, flood)])
    const waits = permits.take(never, flood)
    expect([permits.crowds("flood"), permits.crowds(undefined)]).toEqual([false, false])
    for (const giveBack of alone) giveBack()
    const other = await permits.take(never, { long: false, client: "other" })
    expect([permits.crowds("flood"), permits.crowds("other")]).toEqual([false, false])
    const waitsToo = permits.take(never, flood)
    expect([permits.crowds("flood"), permits.crowds("other")]).toEqual([true, false])
    other()
    for (const taken of [waits, waitsToo]) (await taken)()
    expect(permits.crowds("flood")).toBe(false)
  })

  test("when too many wait, the newest of whoever has the most makes room for a client who has hardly any", async () => {
    const permits = createPermits({ atOnce: 1, waitingMax: 4 })
    const work = (client: string) => ({ long: false, client })
    const leave = await permits.take(never, work("flood"))
    const flood = Array.from({ length: 4 }, () => permits.take(never, work("flood")))
    expect(await codeOf(permits.take(never, work("flood")))).toBe("overloaded")
    const good = [permits.take(never, work("good"))]
    expect(await codeOf(flood[3]!)).toBe("overloaded")
    good.push(permits.take(never, work("good")))
    expect(await codeOf(flood[2]!)).toBe("overloaded")
    // Two of each: nobody has more than others.
    expect(await codeOf(permits.take(never, work("good")))).toBe("overloaded")
    expect(permits.waiting).toBe(4)
    leave()
    for (const taken of [good[0]!, flood[0]!, good[1]!, flood[1]!]) (await taken)()
    expect([permits.waiting, permits.taken]).toEqual([0, 0])
  })
})
