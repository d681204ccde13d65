/**
 * A long talk in the page, to see whether the tab's memory and the interims' lag stay flat: `bun test/page/long-talk.ts MINUTES`.
 * Prints a line every 30 s: minutes, heap after a collection, nodes of the document, utterances, latency of the last.
 */
import { join } from "node:path"
import { openTab } from "../support/browser.ts"
import { startProgram } from "../support/program.ts"

const EVERY_MS = 30_000
const minutes = Number(Bun.argv[2] ?? 10)
const clip = join(import.meta.dir, "../fixtures/speech/ps_sense_and_sensibility_01_austen_64kb-0870.wav")

await using server = startProgram([], { HOST: "127.0.0.1", PORT: "0", STT_ENGINES: "1" })
const url = new URL("/", String((await server.seen("listening")).address))
url.protocol = "http:"
await server.seen("ready")
// Looped: its reader never stops for long.
await using tab = await openTab(url, clip, {}, true)
const { page, complaints } = tab
const devtools = await page.context().newCDPSession(page)
await devtools.send("Performance.enable")
await page.goto(url.href)
await page.click("#speak")
for (let waitedMs = 0; waitedMs < minutes * 60_000; waitedMs += EVERY_MS) {
  await Bun.sleep(EVERY_MS)
  await devtools.send("HeapProfiler.collectGarbage")
  const { metrics } = await devtools.send("Performance.getMetrics")
  const metric = (wanted: string) => metrics.find(({ name }) => name === wanted)?.value ?? 0
  const facts = await page.locator("#settled .facts").allTextContents()
  console.log(
    [
      `${((waitedMs + EVERY_MS) / 60_000).toFixed(1)} min`,
      `${(metric("JSHeapUsedSize") / 1e6).toFixed(2)} MB heap`,
      `${metric("Nodes")} nodes`,
      `${facts.length} utterances`,
      facts.at(-1),
    ].join("  "),
  )
}
console.log("complaints:", complaints)
