/** What the page tells of a server that lets nobody in, in a real Chromium. */
import { expect, test } from "bun:test"
import { ownDoor } from "../../src/dialects/own-door.ts"
import { shortTime } from "../../src/page/flow/saving.ts"
import { describeInBrowser, openTab } from "../support/browser.ts"
import { connect, socketUrl } from "../support/client.ts"
import { clipFile } from "../support/clips.ts"
import { serve } from "../support/server.ts"

describeInBrowser("the page before a server", () => {
  test("that is full says so, and comes in once there is room", async () => {
    const { server } = serve({ maxSessions: 1 })
    const other = await connect(socketUrl(server.url))
    await using tab = await openTab(server.url)
    const { page } = tab
    await page.goto(server.url.href)
    await page.click("#speak")
    await page.waitForSelector("#reason:not([hidden])")
    expect(await page.textContent("#reason-text")).toStartWith("The server is full. What you say is kept; trying again in ")
    other.close()
    await page.click("#again")
    await page.waitForSelector("#status:text-is('Listening.')", { timeout: 20_000 })
    expect(await page.isHidden("#reason")).toBe(true)
  }, 60_000)

  test("that drains says so, and goes on with the one that comes after it", async () => {
    const first = serve()
    await using tab = await openTab(first.server.url)
    const { page } = tab
    await page.goto(first.server.url.href)
    await page.click("#speak")
    await page.waitForSelector("#status:text-is('Listening.')")
    await page.waitForSelector("#span:not(:empty)")
    await first.server.drain(2000)
    await page.waitForSelector("#reason:not([hidden])")
    expect(await page.textContent("#reason-text")).toStartWith("The server is shutting down. What you say is kept; trying again in ")
    serve({ port: Number(first.server.url.port) })
    await page.waitForSelector("#status[data-mood=live]", { timeout: 20_000 })
    expect(await page.isHidden("#reason")).toBe(true)
  }, 60_000)

  test("that wants a key asks for it, and hears with it what was said before", async () => {
    const unauthorized = () => new Response("an API key is needed\n", { status: 401 })
    const locked = {
      ...ownDoor,
      open: (asking: Parameters<typeof ownDoor.open>[0], defaults: Parameters<typeof ownDoor.open>[1]) => {
        const shown = asking.header("authorization") ?? asking.header("sec-websocket-protocol")
        return shown?.endsWith("secret") ? ownDoor.open(asking, defaults) : ({ ok: false, refusal: unauthorized() } as const)
      },
    }
    const { server, tap } = serve({ socketDoors: [locked] })
    await using tab = await openTab(server.url, { microphone: clipFile("ps_goforward") })
    const { page } = tab
    await page.goto(server.url.href)
    await page.click("#speak")
    await page.waitForSelector("#key-form:not([hidden])")
    expect(await page.textContent("#reason-text")).toBe("This server needs a key. What you say is kept meanwhile.")
    await page.fill("#key", "secret")
    await page.keyboard.press("Enter")
    await page.waitForSelector("#status:text-is('Listening.')")
    expect([await page.isHidden("#reason"), await page.isHidden("#key-form")]).toEqual([true, true])
    await page.click("#speak")
    await page.waitForSelector("#status:text-is('Done.')")
    const { audioSeconds } = await tap.seen("disconnected")
    expect(await page.textContent("#span")).toBe(`0:00.0 to ${shortTime(Number(audioSeconds) * 1000)}`)
    // It is asked once a tab.
    await page.reload()
    await page.click("#speak")
    await page.waitForSelector("#status:text-is('Listening.')")
    expect(page.url()).not.toContain("secret")
    expect(tab.strangers).toEqual([])
  }, 60_000)

  test("behind which no WebSocket comes through says where to look", async () => {
    const { server } = serve({ allowedOrigins: ["https://other.example"] })
    await using tab = await openTab(server.url)
    await tab.page.goto(server.url.href)
    await tab.page.click("#speak")
    await tab.page.waitForSelector("#reason:not([hidden])")
    expect(await tab.page.textContent("#reason-text")).toContain("STT_ALLOWED_ORIGINS")
  }, 60_000)
})
