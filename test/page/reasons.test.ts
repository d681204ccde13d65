import { describe, expect, test } from "bun:test"
import { type Probe, reasonOfClose, reasonOfProbe, reasonOfRefusal, waitMs, wantsKey } from "../../src/page/flow/reasons.ts"
import { connect, socketUrl } from "../support/client.ts"
import { audio } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

const ready = { status: 200, body: "ok\n" }

async function answerOf(url: URL, path: string) {
  const response = await fetch(new URL(path, url))
  return { status: response.status, body: await response.text() }
}

/** As the page asks. */
async function probe(url: URL, query = ""): Promise<Probe> {
  const [door, readyz] = await Promise.all([answerOf(url, `/api/v1/ws${query}`), answerOf(url, "/readyz")])
  return { door, ready: readyz, wasOpen: false }
}

describe("why there is no connection", () => {
  test("a server that is full says so, and another try may help", async () => {
    expect(reasonOfProbe(await probe(serve({ maxSessions: 0 }).server.url))).toMatchObject({ trouble: "full", retry: true })
  })

  test("a server that drains says so", async () => {
    // It answers nothing, so that the drain lasts.
    const { server, engine } = serve({}, { answer: () => new Promise(() => {}) })
    const client = await connect(socketUrl(server.url))
    client.send(audio(1))
    await engine.nextHeard()
    const drained = server.drain(60_000)
    expect(reasonOfProbe(await probe(server.url))).toMatchObject({ trouble: "draining", retry: true })
    await server.stop()
    await drained
  })

  test("a server that loads its model says so", async () => {
    const { server } = serve({}, { ready: () => new Promise(() => {}) })
    expect(reasonOfProbe(await probe(server.url))).toMatchObject({ trouble: "loading", retry: true })
  })

  test("settings that it refuses are told in its words, and not tried again", async () => {
    const reason = reasonOfProbe(await probe(serve().server.url, "?silence_ms=1"))
    expect(reason).toEqual({
      trouble: "refused",
      text: "The server refused these settings: silence_ms must be a whole number from 100 to 10000.",
      retry: false,
    })
  })

  test("a server that is well has lost the connection, or lets no WebSocket through", async () => {
    const asked = await probe(serve().server.url)
    expect(reasonOfProbe({ ...asked, wasOpen: true })).toMatchObject({ trouble: "lost", retry: true })
    expect(reasonOfProbe(asked)).toMatchObject({ trouble: "blocked", retry: true })
  })

  test("a key, a strange origin and greed are told; only the last may pass by itself", () => {
    const troubles = [
      { status: 401, body: "an API key is needed\n" },
      { status: 401, body: "this API key is not known here\n" },
      { status: 403, body: "" },
      { status: 429, body: "" },
    ].map((door) => reasonOfProbe({ door, ready, wasOpen: false }))
    expect(troubles.map(({ trouble, retry }) => `${trouble} ${retry}`)).toEqual([
      "key false",
      "wrong_key false",
      "origin false",
      "greedy true",
    ])
    expect(troubles.map(wantsKey)).toEqual([true, true, false, false])
  })

  test("nothing at all is a server that does not answer", () => {
    expect(reasonOfProbe({ door: null, ready: null, wasOpen: true }).trouble).toBe("unreachable")
  })

  test("what is no refusal has no reason", () => {
    expect(reasonOfRefusal({ status: 426, body: "" })).toBeUndefined()
  })

  test("the codes of a close tell what they can", () => {
    expect([1001, 1011, 1013, 1006].map((code) => reasonOfClose(code)?.trouble)).toEqual(["draining", "gone", "full", undefined])
  })
})

test("tries come later and later, never all at once, and at least every nineteen seconds", () => {
  expect([0, 1, 2, 20].map((attempt) => waitMs(attempt, 0.5))).toEqual([500, 1000, 2000, 15_000])
  expect(waitMs(50, 1)).toBeLessThan(19_000)
  expect(waitMs(0, 0)).not.toBe(waitMs(0, 1))
})
