import { describe, expect, test } from "bun:test"
import { reasonOfClose, reasonOfProbe, waitMs } from "../../src/page/flow/reasons.ts"
import { serve } from "../support/server.ts"

const ready = { status: 200, body: "ok\n" }

async function probe(url: URL) {
  const [door, readyz] = await Promise.all([fetch(new URL("/api/v1/ws", url)), fetch(new URL("/readyz", url))])
  return { socketStatus: door.status, ready: { status: readyz.status, body: await readyz.text() } }
}

describe("why there is no connection", () => {
  test("a server that is full says so, and another try may help", async () => {
    const { server } = serve({ maxSessions: 0 })
    expect(reasonOfProbe(await probe(server.url))).toMatchObject({ trouble: "full", retry: true })
  })

  test("a server that loads its model says so", async () => {
    const { server } = serve({}, { ready: () => new Promise(() => {}) })
    expect(reasonOfProbe(await probe(server.url))).toMatchObject({ trouble: "loading", retry: true })
  })

  test("a server that is well has lost the connection", async () => {
    expect(reasonOfProbe(await probe(serve().server.url))).toMatchObject({ trouble: "lost", retry: true })
  })

  test("a key, a strange origin and bad settings are told, and not tried again", () => {
    const troubles = [401, 403, 400].map((socketStatus) => reasonOfProbe({ socketStatus, ready }))
    expect(troubles.map(({ trouble, retry }) => `${trouble} ${retry}`)).toEqual(["key false", "origin false", "refused false"])
  })

  test("nothing at all is a server that does not answer", () => {
    expect(reasonOfProbe({ socketStatus: null, ready: null }).trouble).toBe("unreachable")
  })

  test("the codes of a close tell what they can", () => {
    expect([1001, 1008, 1011, 1013, 1006].map((code) => reasonOfClose(code)?.trouble)).toEqual([
      "draining",
      "key",
      "gone",
      "full",
      undefined,
    ])
  })
})

test("tries come later and later, never all at once, and at least every nineteen seconds", () => {
  expect([0, 1, 2, 20].map((attempt) => waitMs(attempt, 0.5))).toEqual([500, 1000, 2000, 15_000])
  expect(waitMs(50, 1)).toBeLessThan(19_000)
  expect(waitMs(0, 0)).not.toBe(waitMs(0, 1))
})
