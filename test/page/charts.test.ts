import { expect, test } from "bun:test"
import { CHARTS } from "../../src/page/flow/charts.ts"
import { byLabel, type Look, parseMetrics, quantile, rate, total } from "../../src/page/flow/prometheus.ts"
import { connect, socketUrl } from "../support/client.ts"
import { audio } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

const lookAt = (atMs: number, text: string): Look => ({ atMs, samples: parseMetrics(text) })

test("samples are read with their labels, comments and broken lines are not", () => {
  expect(parseMetrics('# HELP a b\na 1\nb{x="1",y="say \\"hi\\"\\n"} 2.5 1700\nnonsense\nc{le="+Inf"} +Inf\n')).toEqual([
    { name: "a", labels: {}, value: 1 },
    { name: "b", labels: { x: "1", y: 'say "hi"\n' }, value: 2.5 },
    { name: "c", labels: { le: "+Inf" }, value: Number.POSITIVE_INFINITY },
  ])
})

test("totals add what carries the labels", () => {
  const look = lookAt(0, 'n{a="1",b="x"} 1\nn{a="1",b="y"} 2\nn{a="2",b="x"} 4\n')
  expect([total(look, "n"), total(look, "n", { a: "1" }), total(look, "m")]).toEqual([7, 3, undefined])
  expect([...byLabel(look, "n", "b")]).toEqual([
    ["x", 5],
    ["y", 2],
  ])
})

test("a counter that began anew does not run backwards", () => {
  expect(rate(lookAt(0, "n 10"), lookAt(2000, "n 30"), "n")).toBe(10)
  expect(rate(lookAt(0, "n 100"), lookAt(2000, "n 6"), "n")).toBe(3)
})

test("quantiles are those of what came between two looks", () => {
  const before = lookAt(0, 'h_bucket{le="0.1"} 100\nh_bucket{le="0.2"} 100\nh_bucket{le="+Inf"} 100\n')
  const after = lookAt(1, 'h_bucket{le="0.1"} 100\nh_bucket{le="0.2"} 110\nh_bucket{le="+Inf"} 110\n')
  expect(quantile(before, after, "h", 0.5)).toBeCloseTo(0.15)
  expect(quantile(after, after, "h", 0.5)).toBeNull()
})

test("what lies beyond the last bound is told as the last bound", () => {
  const after = lookAt(1, 'h_bucket{le="0.1"} 0\nh_bucket{le="+Inf"} 3\n')
  expect(quantile(lookAt(0, ""), after, "h", 0.95)).toBe(0.1)
})

test("causes that never were have no line of their own", () => {
  const restarts = CHARTS.find(({ title }) => title.startsWith("Engine restarts"))
  const look = (signals: number) =>
    lookAt(1, `xrx_stt_engine_restarts_total{cause="exit"} 0\nxrx_stt_engine_restarts_total{cause="signal"} ${signals}\n`)
  expect(restarts?.lines([look(0)]).map(({ name }) => name)).toEqual([""])
  expect(restarts?.lines([look(2)]).map(({ name }) => name)).toEqual(["signal"])
})

test("every chart reads the metrics that a real server has", async () => {
  const { server } = serve({ mode: "frames" })
  const look = async (atMs: number) => lookAt(atMs, await (await fetch(new URL("/metrics", server.url))).text())
  const first = await look(0)
  const client = await connect(socketUrl(server.url))
  client.send(audio(1, 16_000))
  client.send(audio(0, 1))
  await client.next()
  const looks = [first, await look(2000)]
  const named = (title: string) => CHARTS.find((chart) => chart.title === title)
  expect(named("Sessions open")?.lines(looks)[0]?.values.at(-1)).toBeGreaterThanOrEqual(1)
  expect(named("Audio heard in a second")?.lines(looks)[0]?.values.at(-1)).toBeCloseTo(0.5)
  for (const { title, lines, write } of CHARTS) {
    const all = lines(looks)
    // Nobody asked an upstream.
    expect(all.length > 0, title).toBe(!title.includes("upstreams"))
    for (const { values } of all) expect(write(values.at(-1) ?? null), title).not.toContain("NaN")
  }
})
