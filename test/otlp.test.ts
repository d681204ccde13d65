import { afterEach, describe, expect, test } from "bun:test"
import { spansDropped, spansWaiting } from "../src/metrics.ts"
import { COMPLAINT_EVERY_MS, openTracing, type Tracing, type TracingOptions } from "../src/otlp.ts"
import { handClock } from "./support/clock.ts"
import { tapLog } from "./support/log.ts"
import { type Collector, startCollector } from "./support/otlp-collector.ts"
import { localhostTls } from "./support/tls.ts"
import { TRACING } from "./support/told.ts"

const NOT_SENT = "traces not sent"
const SENDER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
const SENDER_UNSAMPLED = SENDER.replace(/01$/, "00")

const opened: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0)) await close()
})

function collect(...args: Parameters<typeof startCollector>): Collector {
  const collector = startCollector(...args)
  opened.push(collector.stop)
  return collector
}

function open(collector: Pick<Collector, "url">, options: Partial<TracingOptions> = {}) {
  const tap = tapLog()
  const clock = handClock()
  const tracing: Tracing = openTracing({
    ...TRACING,
    url: `${collector.url}/v1/traces`,
    gatherMs: 1,
    timeoutMs: 200,
    clock,
    log: tap.log,
    ...options,
  })
  return { tracing, tracer: tracing.tracer, tap, clock }
}

async function droppedBy(cause: string) {
  return (await spansDropped.get()).values.find(({ labels }) => labels.cause === cause)?.value ?? 0
}

const waiting = async () => (await spansWaiting.get()).values[0]?.value

describe("a span", () => {
  test("reaches the collector with its parts, what is known of them, and why one failed", async () => {
    const collector = collect()
    const { tracer } = open(collector, { headers: { "x-key": "k" } })
    const request = tracer.request("GET /somewhere", null, { request: "r1", method: "GET", route: "/somewhere" })
    const part = request.part("ask", { audioSeconds: 1.5, retry: false, left: undefined, none: null }, "client")
    part.note("speech_end")
    part.end({ code: "timeout", providerCode: "408" })
    request.add({ status: 200 })
    request.end()
    const [[ask], [whole]] = await Promise.all([
      collector.seen(({ name }) => name === "ask"),
      collector.seen(({ parentId }) => parentId === ""),
    ])
    expect(ask).toMatchObject({
      parentId: whole?.spanId,
      traceId: whole?.traceId,
      kind: 3,
      failed: true,
      events: ["speech_end"],
      fields: { "xrx_stt.audio_seconds": 1.5, "xrx_stt.retry": false, "error.type": "timeout", "xrx_stt.provider_code": "408" },
    })
    expect(Object.keys(ask?.fields ?? {})).toHaveLength(4)
    expect(whole).toMatchObject({
      name: "GET /somewhere",
      kind: 2,
      failed: false,
      fields: { "xrx_stt.request": "r1", "http.request.method": "GET", "http.route": "/somewhere", "http.response.status_code": 200 },
      resource: { "service.name": "tested", "telemetry.sdk.name": "opentelemetry" },
    })
    expect(collector.posted[0]).toMatchObject({ path: "/v1/traces" })
    expect(collector.posted[0]?.headers.get("x-key")).toBe("k")
  })

  test("ends once, and takes nothing more then", async () => {
    const collector = collect()
    const { tracer, tracing } = open(collector)
    const request = tracer.request("once", null, {})
    request.end()
    request.add({ late: true })
    request.note("late")
    request.end({ code: "late" })
    await tracing.close(1000)
    expect(collector.spans).toMatchObject([{ fields: {}, events: [], failed: false }])
  })

  test("that was given up is no failure", async () => {
    const collector = collect()
    const { tracer } = open(collector)
    tracer.request("given up", null, {}).end({ code: "aborted" })
    const [span] = await collector.seen(() => true)
    expect(span).toMatchObject({ failed: false, fields: { "xrx_stt.outcome": "aborted" } })
    expect(span?.fields["error.type"]).toBeUndefined()
  })

  test("belongs to the trace of the sender, and so does what follows", async () => {
    const collector = collect()
    const { tracer } = open(collector)
    const request = tracer.request("asked", SENDER, {})
    request.end()
    request.follow("utterance", {}).end()
    const [asked, utterance] = await collector.seen(() => true, 2)
    expect(asked).toMatchObject({ traceId: SENDER.slice(3, 35), parentId: SENDER.slice(36, 52), links: [] })
    expect(utterance).toMatchObject({ traceId: SENDER.slice(3, 35), parentId: asked?.spanId, links: [] })
  })

  test.each([
    ["none", null],
    ["an empty one", ""],
    ["a short one", "00-1-2-01"],
    ["one that goes on", `${SENDER}-more`],
    ["one of no version", `ff${SENDER.slice(2)}`],
    ["one of zeros", `00-${"0".repeat(32)}-b7ad6b7169203331-01`],
    ["a long one", "x".repeat(9000)],
  ])(
    "with a sender that cannot be read (%s) begins a trace, and what follows begins another one that points to it",
    async (_, traceparent) => {
      const collector = collect()
      const { tracer } = open(collector)
      const request = tracer.request("asked", traceparent, {})
      request.end()
      request.follow("utterance", {}).end()
      const [asked, utterance] = await collector.seen(() => true, 2)
      expect([asked?.parentId, utterance?.parentId]).toEqual(["", ""])
      expect(utterance?.traceId).not.toBe(asked?.traceId)
      expect(utterance?.links).toEqual([asked?.spanId ?? ""])
    },
  )
})

describe("the sampler", () => {
  /** Names of those that were sent of one request without a sender, one whose sender is sampled, and one whose sender is not. */
  async function sent(options: Partial<TracingOptions>) {
    const collector = collect()
    const { tracer, tracing } = open(collector, options)
    for (const [name, sender] of [
      ["own", null],
      ["sampled", SENDER],
      ["unsampled", SENDER_UNSAMPLED],
    ] as const) {
      const request = tracer.request(name, sender, {})
      request.part("part").end()
      request.end()
    }
    await tracing.close(1000)
    expect(collector.spans.filter(({ name }) => name === "part")).toHaveLength(collector.spans.length / 2)
    return collector.spans.map(({ name }) => name).filter((name) => name !== "part")
  }

  test.each([
    ["always_on", 0, ["own", "sampled", "unsampled"]],
    ["always_off", 1, []],
    ["traceidratio", 1, ["own", "sampled", "unsampled"]],
    ["traceidratio", 0, []],
    ["parentbased_always_on", 0, ["own", "sampled"]],
    ["parentbased_always_off", 1, ["sampled"]],
    ["parentbased_traceidratio", 0, ["sampled"]],
    ["parentbased_traceidratio", 1, ["own", "sampled"]],
  ] as const)("%s with the argument %p sends %p", async (sampler, ratio, names) => {
    expect(await sent({ sampler, ratio })).toEqual([...names])
  })

  test("of half of the traces sends some whole ones", async () => {
    const collector = collect()
    const { tracer, tracing } = open(collector, { sampler: "traceidratio", ratio: 0.5, waitingMax: 1000 })
    for (let count = 0; count < 200; count++) {
      const request = tracer.request("asked", null, {})
      request.part("part").end()
      request.end()
    }
    await tracing.close(1000)
    const traces = Map.groupBy(collector.spans, ({ traceId }) => traceId)
    expect(traces.size).toBeGreaterThan(50)
    expect(traces.size).toBeLessThan(150)
    for (const spans of traces.values()) expect(spans).toHaveLength(2)
  })
})

describe("a collector", () => {
  const nowhere = { url: "http://127.0.0.1:1" }

  test.each([
    ["that is not there", () => nowhere, /ECONNREFUSED|ConnectionRefused/],
    ["that fails", () => collect(() => new Response("secret words of the collector", { status: 500 })), /^HTTP 500$/],
    ["that is busy", () => collect(() => new Response(null, { status: 503 })), /./],
    ["that never answers", () => collect(() => new Promise(() => {})), /./],
  ])("%s costs the spans, which are counted and told of", async (_, start, reason) => {
    const before = await droppedBy("export")
    const { tracer, tap } = open(start())
    tracer.request("lost", null, {}).end()
    const line = await tap.seen(NOT_SENT)
    expect(line).toMatchObject({ level: "warn", spans: 1, collector: expect.stringMatching(/^127\.0\.0\.1:\d+$/) })
    expect(line.reason).toMatch(reason)
    expect(JSON.stringify(line)).not.toContain("secret")
    expect(await droppedBy("export")).toBe(before + 1)
    expect(await waiting()).toBe(0)
  })

  test("that stays away is told of once a minute, with all that was lost meanwhile", async () => {
    const { tracer, tap, clock } = open(nowhere)
    const lines = () => tap.lines.filter(({ event }) => event === NOT_SENT)
    const lose = async (total: number) => {
      tracer.request("lost", null, {}).end()
      while ((await droppedBy("export")) < total) await new Promise(setImmediate)
    }
    const before = await droppedBy("export")
    await lose(before + 1)
    await lose(before + 2)
    await clock.advance(COMPLAINT_EVERY_MS - 1)
    await lose(before + 3)
    expect(lines()).toMatchObject([{ spans: 1 }])
    await clock.advance(1)
    await lose(before + 4)
    expect(lines()).toMatchObject([{ spans: 1 }, { spans: 3 }])
  })

  test("that comes back gets the spans that are told then", async () => {
    let well = false
    const collector = collect(() => new Response(null, { status: well ? 200 : 500 }))
    const { tracer, tap } = open(collector)
    tracer.request("before", null, {}).end()
    await tap.seen(NOT_SENT)
    well = true
    tracer.request("after", null, {}).end()
    await collector.seen(({ name }) => name === "after")
    expect(collector.spans.map(({ name }) => name)).toEqual(["after"])
  })

  test("that never answers makes us hold as many spans as may wait, and what is in work", async () => {
    const before = await droppedBy("queue_full")
    const collector = collect(() => new Promise(() => {}))
    const { tracer, tap } = open(collector, { waitingMax: 10, timeoutMs: 60_000 })
    tracer.request("in work", null, {}).end()
    await collector.requests(1)
    for (let count = 0; count < 100; count++) tracer.request("waits", null, {}).end()
    expect(await waiting()).toBe(10)
    expect(await droppedBy("queue_full")).toBe(before + 90)
    expect(await tap.seen(NOT_SENT)).toMatchObject({ spans: 1, reason: "too many wait" })
  })
})

describe("the way to the collector", () => {
  test("may be compressed", async () => {
    const collector = collect()
    const { tracer } = open(collector, { compression: "gzip" })
    tracer.request("asked", null, {}).end()
    await collector.seen(({ name }) => name === "asked")
    expect(collector.posted[0]?.headers.get("content-encoding")).toBe("gzip")
  })

  test("may be encrypted with a certificate that is known, and with no other", async () => {
    const collector = collect(undefined, localhostTls)
    const known = open(collector, { authority: localhostTls.cert })
    known.tracer.request("known", null, {}).end()
    await collector.seen(({ name }) => name === "known")
    const unknown = open(collector)
    unknown.tracer.request("unknown", null, {}).end()
    await unknown.tap.seen(NOT_SENT)
    expect(collector.spans.map(({ name }) => name)).toEqual(["known"])
  })
})

describe("the end", () => {
  test("sends what waits", async () => {
    const collector = collect()
    const { tracer, tracing, tap } = open(collector, { gatherMs: 3_600_000 })
    tracer.request("last", null, {}).end()
    await tracing.close(10_000)
    expect(collector.spans.map(({ name }) => name)).toEqual(["last"])
    expect(tap.lines.map(({ event }) => event)).toEqual(["traces are sent"])
  })

  test("does not wait longer than it may", async () => {
    const collector = collect(() => new Promise(() => {}))
    const { tracer, tracing, tap, clock } = open(collector, { gatherMs: 3_600_000, timeoutMs: 60_000 })
    tracer.request("last", null, {}).end()
    const closed = tracing.close(500)
    await collector.requests(1)
    await clock.advance(500)
    await closed
    expect(await tap.seen(NOT_SENT)).toMatchObject({ reason: "the server goes" })
  })
})
