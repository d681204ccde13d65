/**
 * What a browser may ask for: the page, its status view, what both load, and the recording to try it with. Every answer says
 * that nothing but this server may be loaded or asked. Knows no engine, no session and no setting.
 */
import sample from "../commands/bench/austen-0870.wav" with { type: "file" }
import { BUILT_PAGE, type PageFile } from "./built.ts"

/** No code and no style but in files of this server: what somebody says can become no script. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "media-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ")

const HEADERS = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "permissions-policy": "microphone=(self), camera=(), geolocation=()",
  // Looked at anew each time: another version of the program may stand here tomorrow.
  "cache-control": "no-cache",
}

const SAMPLE_PATH = "/page/sample.wav"

/** Beside the front, which others ask for too. */
const PAGES = ["/status", "/docs", "/openapi.json", "/asyncapi.json"]
const FOLDER = "/page/"

/** Whether nobody but the page has anything there. */
export function isOfPage(path: string): boolean {
  return PAGES.includes(path) || path.startsWith(FOLDER)
}

let made: Promise<ReadonlyMap<string, PageFile>> | undefined
/** In memory, once: Bun reads a file anew for each answer, and holds it for whoever does not read. */
let read: Promise<Uint8Array<ArrayBuffer>> | undefined

/** Undefined where the page has nothing. */
export async function pageFile(path: string): Promise<Response | undefined> {
  if (path === SAMPLE_PATH) {
    read ??= Bun.file(sample).bytes()
    return new Response(await read, { headers: { ...HEADERS, "content-type": "audio/wav" } })
  }
  made ??= files()
  const file = (await made).get(path)
  return file && new Response(file.text, { headers: { ...HEADERS, "content-type": file.type, vary: "accept" } })
}

/** Whether somebody wants to look: a browser says so, curl and probes do not. */
export function wantsPage({ headers }: Request): boolean {
  return headers.get("accept")?.includes("text/html") ?? false
}

async function files(): Promise<ReadonlyMap<string, PageFile>> {
  const all = BUILT_PAGE.length > 0 ? BUILT_PAGE : await (await import("./bundle.ts")).bundlePage()
  return new Map(all.map((file) => [file.path, file]))
}
