/** The page in a real Chromium, before the real Whisper: what a person would do in the first five minutes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { ownDoor } from "../../src/dialects/own-door.ts"
import { CHROMIUM, openTab, type Tab } from "../support/browser.ts"
import { connect } from "../support/client.ts"
import { clip, words } from "../support/clips.ts"
import { type RunningProgram, startProgram } from "../support/program.ts"
import { serve } from "../support/server.ts"

const CLIP = "ps_goforward"
const axe = Bun.resolveSync("axe-core/axe.min.js", import.meta.dir)
const fixture = (id: string) => join(import.meta.dir, "../fixtures/speech", `${id}.wav`)

/** Where screenshots go, for a person to look at: set XRX_STT_SCREENSHOTS. */
const screenshots = process.env.XRX_STT_SCREENSHOTS

let server: RunningProgram
let socket: URL
let url: URL

async function start(port = "0") {
  server = startProgram([], { HOST: "127.0.0.1", PORT: port, STT_ENGINES: "1" })
  socket = new URL(String((await server.seen("listening")).address))
  url = new URL("/", socket)
  url.protocol = "http:"
  await server.seen("ready")
}

/** The words of a clip as our own socket tells them. */
async function wordsBySocket(id: string): Promise<string> {
  const address = new URL(socket)
  address.search = "mode=events&words=1&interim=1"
  const client = await connect(address)
  client.send(new Uint8Array((await clip(id)).slice().buffer))
  client.send('{"type":"close"}')
  await client.closed
  const finals = client.received.map((text) => JSON.parse(text)).filter(({ type }) => type === "final")
  return words(finals.map(({ text }) => text).join(" "))
}

const settled = (page: Page) => page.locator("#settled .text").allTextContents()
const wordsOf = async (page: Page) => words((await settled(page)).join(" "))

async function faults(page: Page): Promise<string[]> {
  await page.evaluate(await Bun.file(axe).text())
  const found = await page.evaluate("axe.run()")
  const { violations } = found as { violations: { id: string; impact: string; nodes: { html: string }[] }[] }
  return violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)
}

async function shoot({ page }: Tab, name: string) {
  if (screenshots !== undefined) await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true })
}

describe.skipIf(CHROMIUM === null)("the page in Chromium", () => {
  beforeAll(() => start(), 120_000)
  afterAll(() => server[Symbol.asyncDispose]())

  test("what is spoken appears grey while it is spoken, then settles to the socket's words, with its latency", async () => {
    await using tab = await openTab(url, fixture(CLIP))
    const { page } = tab
    await page.goto(url.href)
    await page.click("#speak")
    await page.waitForSelector("#open li")
    const began = performance.now()
    await page.waitForSelector("#open .interim:not(:empty)")
    expect(performance.now() - began).toBeLessThan(1000)
    await shoot(tab, "interim")
    await page.waitForSelector("#settled .word")
    await page.click("#speak")
    await page.waitForSelector("#speak[aria-pressed=false]")
    const [heard, expected] = [await wordsOf(page), await wordsBySocket(CLIP)]
    expect(heard).toBe(expected)
    const [, latency = ""] =
      /^([\d.]+) s after the last word/.exec((await page.locator("#settled .facts").first().textContent()) ?? "") ?? []
    expect(Number(latency)).toBeGreaterThan(0.3)
    expect(Number(latency)).toBeLessThan(2)
    expect(await page.locator("#open li").count()).toBe(0)
    expect(tab.complaints).toEqual([])
    expect(tab.strangers).toEqual([])
  }, 60_000)

  test("the sample plays, its words can be heard again, walked, copied and saved; light, dark and narrow have no serious fault", async () => {
    await using tab = await openTab(url)
    const { page } = tab
    await page.goto(url.href)
    expect(await faults(page)).toEqual([])
    await page.click("#sample")
    await page.waitForSelector("#settled .word", { timeout: 20_000 })
    await page.waitForSelector("#status:text-is('Done.')", { timeout: 20_000 })
    expect(await wordsOf(page)).toContain("leisure to consider")

    const word = page.locator("#settled .word").first()
    await word.click()
    expect(await word.getAttribute("class")).toContain("playing")
    await word.focus()
    await page.keyboard.press("ArrowRight")
    const focused = await page.evaluate("document.activeElement.textContent")
    expect(focused).toBe((await page.locator("#settled .word").nth(1).textContent()) ?? "")
    await page.locator("#timeline button").first().click()

    await page.click("#copy")
    expect(words(String(await page.evaluate("navigator.clipboard.readText()")))).toBe(await wordsOf(page))
    for (const [format, beginning] of [
      ["srt", "1\n00:00:0"],
      ["vtt", "WEBVTT\n\n00:00:0"],
      ["txt", ""],
      ["json", "{"],
    ] as const) {
      const [download] = await Promise.all([page.waitForEvent("download"), page.click(`[data-save=${format}]`)])
      expect(download.suggestedFilename()).toBe(`transcript.${format}`)
      expect(await Bun.file(await download.path()).text()).toStartWith(beginning)
    }

    for (const scheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: scheme })
      expect(await faults(page), scheme).toEqual([])
      await shoot(tab, scheme)
    }
    await page.setViewportSize({ width: 375, height: 740 })
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(375)
    expect(await faults(page)).toEqual([])
    await shoot(tab, "phone")
    expect(tab.complaints).toEqual([])
    expect(tab.strangers).toEqual([])
  }, 90_000)

  test("by hand, an utterance ends where the person says so, and only there", async () => {
    await using tab = await openTab(url)
    const { page } = tab
    await page.goto(url.href)
    await page.click("#settings summary")
    await page.selectOption("#mode", "hand")
    await page.click("#sample")
    await page.waitForSelector("#open .interim:not(:empty)")
    await page.click("#commit")
    await page.waitForSelector("#settled .word")
    await page.waitForSelector("#open .interim:not(:empty)")
    await page.click("#speak")
    await page.waitForSelector("#status:text-is('Done.')")
    expect(await page.locator("#settled li").count()).toBe(2)
    expect(await page.isHidden("#commit")).toBe(true)
    expect(tab.complaints).toEqual([])
  }, 60_000)

  test("a file that is dropped is heard whole, and what is no sound is told", async () => {
    await using tab = await openTab(url)
    const { page } = tab
    await page.goto(url.href)
    const sound = Buffer.from(await Bun.file(fixture(CLIP)).arrayBuffer()).toString("base64")
    // As text, since the tests are not compiled for a browser.
    const transfer = await page.evaluateHandle(`(() => {
      const transfer = new DataTransfer()
      transfer.items.add(new File([Uint8Array.from(atob("${sound}"), (char) => char.charCodeAt(0))], "go.wav"))
      return transfer
    })()`)
    await page.dispatchEvent("main", "drop", { dataTransfer: transfer })
    await page.waitForSelector("#settled .word")
    expect(await wordsOf(page)).toBe(await wordsBySocket(CLIP))
    expect(tab.complaints).toEqual([])
    await page.setInputFiles("#file", { name: "no.wav", mimeType: "audio/wav", buffer: Buffer.from("this is no sound at all") })
    await page.waitForSelector("#reason:not([hidden])")
    expect(await settled(page)).toEqual([])
    expect(tab.strangers).toEqual([])
  }, 60_000)

  test("a server that restarts is told of and found again, and no word that was spoken meanwhile is lost", async () => {
    const expected = await wordsBySocket(CLIP)
    await using tab = await openTab(url, fixture(CLIP))
    const { page } = tab
    await page.goto(url.href)
    await page.click("#speak")
    await page.waitForSelector("#open li")
    server.signal("SIGKILL")
    await server.exited
    await page.waitForSelector("#reason:not([hidden])")
    expect(await page.textContent("#reason-text")).toContain("trying again")
    await start(url.port)
    await page.waitForSelector("#reason", { state: "hidden", timeout: 30_000 })
    await page.waitForSelector("#settled .word", { timeout: 20_000 })
    await page.click("#speak")
    await page.waitForSelector("#status:text-is('Done.')")
    expect(await wordsOf(page)).toBe(expected)
  }, 120_000)

  test("the status view draws what the server counts", async () => {
    await using tab = await openTab(url)
    const { page } = tab
    await page.goto(new URL("/status", url).href)
    await page.waitForSelector(".chart:last-child polyline", { state: "attached" })
    expect(await page.textContent("#status")).toBe("Ready.")
    const client = await connect(socket)
    await page.waitForSelector(".chart:has(h2:text-is('Sessions open')) .now:text-is('1')")
    client.close()
    for (const scheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: scheme })
      expect(await faults(page), scheme).toEqual([])
      await shoot(tab, `status-${scheme}`)
    }
    expect(tab.complaints).toEqual([])
    expect(tab.strangers).toEqual([])
  }, 60_000)
})

describe.skipIf(CHROMIUM === null)("a server that lets nobody in", () => {
  test("is full: the page says so, and comes in once there is room", async () => {
    const { server } = serve({ maxSessions: 1 })
    const address = new URL("/api/v1/ws", server.url)
    address.protocol = "ws:"
    const other = await connect(address)
    await using tab = await openTab(server.url)
    const { page } = tab
    await page.goto(server.url.href)
    await page.click("#speak")
    await page.waitForSelector("#reason:not([hidden])")
    expect(await page.textContent("#reason-text")).toContain("The server is full.")
    other.close()
    await page.waitForSelector("#status:text-is('Listening.')", { timeout: 20_000 })
    expect(await page.isHidden("#reason")).toBe(true)
  }, 60_000)

  test("wants a key: the page says so, asks for it, and is let in with it", async () => {
    const unauthorized = () => new Response("a key is needed\n", { status: 401 })
    const locked = {
      ...ownDoor,
      open: (asking: Parameters<typeof ownDoor.open>[0], defaults: Parameters<typeof ownDoor.open>[1]) =>
        asking.header("sec-websocket-protocol")?.replaceAll(" ", "") === "token,secret"
          ? ownDoor.open(asking, defaults)
          : ({ ok: false, refusal: unauthorized() } as const),
    }
    const { server } = serve({
      socketDoors: [locked],
      httpDoors: [{ name: "locked", methods: ["GET"], paths: ["/api/v1/ws"], handle: unauthorized, refuse: unauthorized }],
    })
    await using tab = await openTab(server.url)
    const { page } = tab
    await page.goto(server.url.href)
    await page.click("#speak")
    await page.waitForSelector("#reason:not([hidden])")
    expect(await page.textContent("#reason-text")).toContain("needs a key")
    await page.fill("#key", "secret")
    await page.click("#speak")
    await page.waitForSelector("#status:text-is('Listening.')")
    expect(tab.strangers).toEqual([])
  }, 60_000)
})
