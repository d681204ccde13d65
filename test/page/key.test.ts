/** The page of a server with keys: what a person without one sees, and that the page works with one. */
import { expect, test } from "bun:test"
import { describeInBrowser, openTab, wordsOf } from "../support/browser.ts"
import { clipFile } from "../support/clips.ts"
import { startPageServer } from "../support/page-server.ts"

const KEYS = { STT_API_KEYS: "me:my-key", STT_REQUIRE_KEY: "1" }

describeInBrowser("the page of a server with keys", () => {
  test("opens without one, asks for it where it is needed, says when it is wrong, and keeps it for all of its pages", async () => {
    const { program, url } = await startPageServer(KEYS)
    await using _program = program
    await using tab = await openTab(url, { microphone: clipFile("ps_goforward") })
    const { page } = tab
    await page.goto(url.href)
    await page.setInputFiles("#file", clipFile("ps_goforward"))
    await page.waitForSelector("#key-form:not([hidden])")
    expect(await page.textContent("#reason-text")).toBe("This server needs a key.")
    await page.fill("#key", "not-my-key")
    await page.keyboard.press("Enter")
    await page.waitForSelector("#reason-text:text-is('This server does not know the key.')")
    await page.fill("#key", "my-key")
    await page.keyboard.press("Enter")
    await page.waitForSelector("#settled .word", { timeout: 20_000 })
    const fromFile = await wordsOf(page)

    await page.click("#speak")
    // Those of the file go before those that are spoken come.
    await page.waitForSelector("#settled .word", { state: "detached" })
    await page.waitForSelector("#settled .word", { timeout: 20_000 })
    await page.click("#speak")
    await page.waitForSelector("#status:text-is('Done.')")
    expect(await wordsOf(page)).toBe(fromFile)

    await page.goto(new URL("/status", url).href)
    await page.waitForSelector("#status:text-is('Ready.')")
    expect(await page.isHidden("#key-form")).toBe(true)
    expect(tab.strangers).toEqual([])
    expect(program.errors).not.toContain("my-key")
  }, 120_000)

  test("shows the status view to whoever enters one there", async () => {
    const { program, url } = await startPageServer(KEYS)
    await using _program = program
    await using tab = await openTab(url)
    await tab.page.goto(new URL("/status", url).href)
    await tab.page.waitForSelector("#status:text-is('This server needs a key.')")
    await tab.page.fill("#key", "my-key")
    await tab.page.keyboard.press("Enter")
    await tab.page.waitForSelector("#status:text-is('Ready.')")
  }, 60_000)
})
