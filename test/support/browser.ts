/**
 * A real browser, Debian's Chromium, whose microphone is a recording. Whatever it complains of in its console, and every
 * request to another place than the server, is kept for the test to look at.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type BrowserContextOptions, chromium, type Page } from "playwright-core"

export const CHROMIUM = Bun.which("chromium") ?? Bun.which("chromium-browser") ?? Bun.which("google-chrome")

export interface Tab {
  readonly page: Page
  /** Errors and warnings of the console, and exceptions. */
  readonly complaints: readonly string[]
  /** Addresses of requests and sockets that left the server. */
  readonly strangers: readonly string[]
  [Symbol.asyncDispose](): Promise<void>
}

/** `microphone`: a WAV file, heard once unless `loop` is true. */
export async function openTab(url: URL, microphone?: string, options: BrowserContextOptions = {}, loop = false): Promise<Tab> {
  if (CHROMIUM === null) throw new Error("no Chromium on this machine")
  const folder = await mkdtemp(join(tmpdir(), "xrx-stt-tab-"))
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--mute-audio",
      "--autoplay-policy=no-user-gesture-required",
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      ...(microphone === undefined ? [] : [`--use-file-for-fake-audio-capture=${microphone}${loop ? "" : "%noloop"}`]),
    ],
    acceptDownloads: true,
    permissions: ["microphone", "clipboard-read", "clipboard-write"],
    ...options,
  })
  const page = context.pages()[0] ?? (await context.newPage())
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
      await context.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
