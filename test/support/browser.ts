/**
 * A real browser, Debian's Chromium, whose microphone is a recording. Whatever it complains of in its console, and every
 * request to another place than the server, is kept for the test to look at.
 */
import { describe } from "bun:test"
import { type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { words } from "./clips.ts"

/** Null where there is none. */
export const CHROMIUM = Bun.which("chromium") ?? Bun.which("chromium-browser") ?? Bun.which("google-chrome")

/** A describe that is skipped where there is no browser, and says what to install. */
export const describeInBrowser =
  CHROMIUM === null
    ? (title: string, tests: () => void) => describe.skip(`${title} (needs Chromium: apt-get install -y chromium)`, tests)
    : describe

const CLOSE_MS_MAX = 15_000

export interface Tab {
  readonly page: Page
  /** Errors and warnings of the console, and exceptions. */
  readonly complaints: readonly string[]
  /** Addresses of requests and sockets that left the server. */
  readonly strangers: readonly string[]
  [Symbol.asyncDispose](): Promise<void>
}

export interface TabOptions {
  /** A WAV file, heard once unless `loop` is true. */
  readonly microphone?: string
  readonly loop?: boolean
  /** A name that stands for this machine, as `localhost` does. */
  readonly otherName?: string
  readonly context?: BrowserContextOptions
}

export async function openTab(url: URL, { microphone, loop = false, otherName, context: options }: TabOptions = {}): Promise<Tab> {
  if (CHROMIUM === null) throw new Error("no Chromium on this machine: apt-get install -y chromium")
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--mute-audio",
      "--autoplay-policy=no-user-gesture-required",
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      ...(microphone === undefined ? [] : [`--use-file-for-fake-audio-capture=${microphone}${loop ? "" : "%noloop"}`]),
      ...(otherName === undefined ? [] : [`--host-resolver-rules=MAP ${otherName} 127.0.0.1`]),
    ],
    timeout: 60_000,
  })
  const context = await browser.newContext({
    acceptDownloads: true,
    permissions: ["microphone", "clipboard-read", "clipboard-write"],
    ...options,
  })
  const page = await context.newPage()
  const complaints: string[] = []
  const strangers: string[] = []
  const look = (address: string) => {
    const { protocol, host } = new URL(address)
    if (host !== url.host && protocol !== "blob:" && protocol !== "data:") strangers.push(address)
  }
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text())
  })
  page.on("pageerror", (error) => complaints.push(error.message))
  page.on("request", (request) => look(request.url()))
  page.on("websocket", (socket) => look(socket.url()))
  return {
    page,
    complaints,
    strangers,
    async [Symbol.asyncDispose]() {
      // A browser that does not leave must not take the next test with it.
      await Promise.race([browser.close(), Bun.sleep(CLOSE_MS_MAX)])
    },
  }
}

/** The settled words of the page at `/`. */
export async function wordsOf(page: Page): Promise<string> {
  return words((await page.locator("#settled .text").allTextContents()).join(" "))
}

const axe = Bun.resolveSync("axe-core/axe.min.js", import.meta.dir)

/** What axe finds wrong with what is shown now, of any weight. */
export async function faults(page: Page): Promise<string[]> {
  await page.evaluate(await Bun.file(axe).text())
  const { violations } = (await page.evaluate("axe.run()")) as { violations: { id: string; impact: string; nodes: { html: string }[] }[] }
  return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0]?.html}`)
}
