/** The page of the interface in a real Chromium. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { describeInBrowser, faults, openTab } from "../support/browser.ts"
import { serve } from "../support/server.ts"

/** Where screenshots go, for a person to look at: set XRX_STT_SCREENSHOTS. */
const screenshots = process.env.XRX_STT_SCREENSHOTS

async function shoot(page: Page, name: string) {
  if (screenshots !== undefined) await page.screenshot({ path: join(screenshots, `docs-${name}.png`) })
}

describeInBrowser("the page of the interface in Chromium", () => {
  test("is open to everybody in light, dark and on a phone, asks nobody else and does not complain", async () => {
    const { server } = serve()
    await using tab = await openTab(server.url)
    const { page } = tab
    await page.goto(new URL("/docs", server.url).href)
    await page.waitForSelector(".program .copy", { state: "attached" })
    for (const scheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: scheme })
      expect(await faults(page), scheme).toEqual([])
      await shoot(page, scheme)
    }
    await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    expect(await faults(page), "all open").toEqual([])
    await page.evaluate("document.getElementById('events-socket').scrollIntoView()")
    await shoot(page, "open")
    await page.setViewportSize({ width: 375, height: 740 })
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(375)
    expect(await faults(page), "phone").toEqual([])
    await page.evaluate("document.getElementById('listen').scrollIntoView()")
    await shoot(page, "phone")
    expect(tab.complaints).toEqual([])
    expect(tab.strangers).toEqual([])
  }, 120_000)

  test("a program is chosen by keyboard, asks this server, and is copied as it is shown", async () => {
    const { server } = serve()
    await using tab = await openTab(server.url)
    const { page } = tab
    await page.goto(new URL("/docs", server.url).href)
    const shown = () => page.locator("#transcribe .program:visible pre").allTextContents()
    expect(await shown()).toEqual([expect.stringContaining(`curl ${server.url.origin}/v1/audio/transcriptions`)])
    await page.focus("#lang-curl")
    await page.keyboard.press("ArrowRight")
    expect(await shown()).toEqual([expect.stringContaining("new FormData()")])
    await page.keyboard.press("ArrowRight")
    expect(await shown()).toEqual([expect.stringContaining("import requests")])
    await page.click("#transcribe .program:visible .copy")
    await page.waitForSelector("#said:text-is('Copied.')")
    expect(await page.evaluate("navigator.clipboard.readText()")).toBe((await shown()).join())
    expect(await page.locator("#events-socket .program:visible pre").textContent()).toContain(
      `ws://${server.url.host}/api/v1/ws?mode=events`,
    )
    expect(tab.complaints).toEqual([])
  }, 60_000)

  test("a link to a body opens it", async () => {
    const { server } = serve()
    await using tab = await openTab(server.url)
    const { page } = tab
    await page.goto(new URL("/docs", server.url).href)
    expect(await page.isVisible("#rest-VerboseTranscript dl")).toBe(false)
    await page.click("#transcribe a[href='#rest-VerboseTranscript']")
    await page.waitForSelector("#rest-VerboseTranscript dl")
    expect(await page.locator("#rest-VerboseTranscript dt").first().textContent()).toContain("task")
  }, 60_000)
})
