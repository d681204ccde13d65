/**
 * A long talk in the page, to see whether the tab's memory and the delay of words stay flat: `bun test/page/long-talk.ts MINUTES`
 * (default 10). A looped recording is the microphone. Prints a line every 30 s: the tab's heap after a collection, what the browser's
 * processes that draw pages have resident (the sound that the page keeps fills 19 MB of it in ten minutes), nodes of the document,
 * utterances, the machine's load, and the middle and the slowest delay of those 30 s; then how the first and the last quarter compare,
 * by their least rows. Ends with 1 if the heap grew by more than HEAP_GROWTH_MB_MAX or the delay by more than DELAY_GROWTH_MS_MAX, or
 * if the page complained.
 */
import { rm } from "node:fs/promises"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { wavFromSamples } from "../../src/audio/wav.ts"
import { openTab } from "../support/browser.ts"
import { talkOf } from "../support/clips.ts"
import { startPageServer } from "../support/page-server.ts"

const EVERY_MS = 30_000
/** Ten minutes of words and their buttons weigh less than 1 MB. */
const HEAP_GROWTH_MB_MAX = 2
const DELAY_GROWTH_MS_MAX = 150
const CLIPS = ["0870", "0880", "0890", "0920", "0930"].map((part) => `ps_sense_and_sensibility_01_austen_64kb-${part}`)

interface Row {
  readonly heapMb: number
  readonly middleMs: number
}

const minutes = Number(Bun.argv[2] ?? 10)
const microphone = join(tmpdir(), `xrx-stt-long-talk-${process.pid}.wav`)
await Bun.write(microphone, wavFromSamples(await talkOf(CLIPS, 900)))
const { program, url } = await startPageServer()
await using _program = program
await using tab = await openTab(url, { microphone, loop: true })
const { page, complaints } = tab
const devtools = await page.context().newCDPSession(page)
await devtools.send("Performance.enable")
const browser = page.context().browser()
if (!browser) throw new Error("the tab has no browser")
const processes = await browser.newBrowserCDPSession()
await page.goto(url.href)
await page.click("#speak")

const rows: Row[] = []
let told = 0
for (let waitedMs = EVERY_MS; waitedMs <= minutes * 60_000; waitedMs += EVERY_MS) {
  await Bun.sleep(EVERY_MS)
  await devtools.send("HeapProfiler.collectGarbage")
  const { metrics } = await devtools.send("Performance.getMetrics")
  const metric = (wanted: string) => metrics.find(({ name }) => name === wanted)?.value ?? 0
  const facts = await page.locator("#settled .facts").allTextContents()
  const delaysMs = facts.slice(told).map((text) => 1000 * Number(/([\d.]+) s after/.exec(text)?.[1]))
  told = facts.length
  const sorted = delaysMs.toSorted((a, b) => a - b)
  const row = { heapMb: metric("JSHeapUsedSize") / 1e6, middleMs: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN }
  rows.push(row)
  console.log(
    [
      `${(waitedMs / 60_000).toFixed(1)} min`,
      `${row.heapMb.toFixed(2)} MB heap`,
      `${(await rendererMb()).toFixed(0)} MB of the tab's processes`,
      `${metric("Nodes")} nodes`,
      `${facts.length} utterances`,
      `load ${(loadavg()[0] ?? 0).toFixed(1)}`,
      `delay ${row.middleMs.toFixed(0)} ms, slowest ${sorted.at(-1)?.toFixed(0)} ms`,
    ].join("  "),
  )
}
await rm(microphone)

/** What the browser's processes that draw pages have resident, shared libraries among it. */
async function rendererMb(): Promise<number> {
  const { processInfo } = await processes.send("SystemInfo.getProcessInfo")
  const renderers = processInfo.filter(({ type }) => type === "renderer")
  const kbs = await Promise.all(renderers.map(({ id }) => Bun.file(`/proc/${id}/status`).text()))
  return kbs.reduce((sum, text) => sum + Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024, 0)
}

// The least: what else this machine does makes a row worse, never better.
const least = (part: readonly Row[], of: (row: Row) => number) => Math.min(...part.map(of).filter((value) => !Number.isNaN(value)))
const quarter = Math.max(1, Math.floor(rows.length / 4))
const [first, last] = [rows.slice(0, quarter), rows.slice(-quarter)]
const heapGrowthMb = least(last, ({ heapMb }) => heapMb) - least(first, ({ heapMb }) => heapMb)
const delayGrowthMs = least(last, ({ middleMs }) => middleMs) - least(first, ({ middleMs }) => middleMs)
console.log(`heap grew by ${heapGrowthMb.toFixed(2)} MB, the delay by ${delayGrowthMs.toFixed(0)} ms; complaints:`, complaints)
const isFlat = heapGrowthMb <= HEAP_GROWTH_MB_MAX && delayGrowthMs <= DELAY_GROWTH_MS_MAX && complaints.length === 0
process.exitCode = isFlat ? 0 : 1
