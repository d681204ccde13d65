import { expect, test } from "bun:test"
import type { Transcriber } from "../../src/engines/engine.ts"
import { measured } from "../../src/engines/measured.ts"
import { decodeSeconds, heardSeconds, realTimeFactor } from "../../src/metrics.ts"
import { handClock } from "../support/clock.ts"

test("whole utterances are measured beside their audio; interims, failures and what has no audio are not", async () => {
  const clock = handClock()
  const taking: Transcriber = {
    name: "stopwatch",
    model: "m",
    concurrency: 3,
    interims: true,
    translates: true,
    async transcribe({ language }) {
      await clock.advance(500)
      if (language === "xx") throw new Error("no")
      return { text: "words", language, segments: [] }
    },
    ready: async () => {},
    close: async () => {},
  }
  const watched = measured(taking, clock)
  expect(watched).toMatchObject({ name: "stopwatch", model: "m", concurrency: 3, interims: true, translates: true })
  const ask = (seconds: number, more = {}) =>
    watched.transcribe({ samples: new Int16Array(16_000 * seconds), language: "en", ...more }, new AbortController().signal)
  await ask(2)
  await ask(0.25)
  await ask(2, { interim: true })
  await ask(0)
  expect(ask(2, { language: "xx" })).rejects.toThrow("no")
  await clock.advance(500)

  const readingOf = async (
    metric: { get(): Promise<{ values: { metricName?: string; value: number; labels: object }[] }> },
    name: string,
  ) =>
    (await metric.get()).values.find((one) => (one.metricName ?? "").endsWith(name) && JSON.stringify(one.labels).includes("stopwatch"))
      ?.value
  expect(await readingOf(decodeSeconds, "_count")).toBe(2)
  expect(await readingOf(decodeSeconds, "_sum")).toBe(1)
  expect(await readingOf(heardSeconds, "")).toBe(2.25)
  expect(await readingOf(realTimeFactor, "_count")).toBe(1)
  expect(await readingOf(realTimeFactor, "_sum")).toBe(0.25)
})
