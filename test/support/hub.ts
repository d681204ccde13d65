/**
 * A model hub on this machine, as far as fetching goes: the commit of `main`, the paged list of its files, and the files,
 * the large ones behind a redirect, with Range, If-Range and ETag. It can be told to fail.
 *
 * On node:http, because Bun.serve cannot cut an answer short of its Content-Length.
 */
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Readable } from "node:stream"

/** Bytes, or the path of a file that holds them. */
export type Contents = Uint8Array | string

export type HubFault =
  /** So many bytes of the body, and then the connection is cut once `when` resolves. */
  | { readonly kind: "cut"; readonly afterBytes: number; readonly when: Promise<unknown> }
  /** So many bytes of the body, and then silence. */
  | { readonly kind: "stall"; readonly afterBytes: number }
  /** Bytes without an end. */
  | { readonly kind: "endless" }
  | { readonly kind: "status"; readonly status: number }
  /** Other bytes than those that are listed. */
  | { readonly kind: "contents"; readonly contents: Uint8Array }

export interface HubRequest {
  /** Without the query. */
  readonly path: string
  readonly range: string | undefined
  readonly ifRange: string | undefined
}

export interface FakeHub {
  readonly url: string
  readonly requests: readonly HubRequest[]
  /** The requests that were for the bytes of this file. */
  requestsFor(file: string): readonly HubRequest[]
  /** The next answers for this file, one request each. */
  fail(file: string, ...faults: readonly HubFault[]): void
  close(): Promise<void>
}

export interface HubModelFiles {
  readonly files: Readonly<Record<string, Contents>>
  /** Sizes that the list tells instead of the true ones. */
  readonly sizes?: Readonly<Record<string, number>>
  /** Default: the hash of the contents, as a cloud store has it. */
  readonly etag?: () => string
}

interface Stored {
  readonly model: HubModelFiles
  readonly contents: Contents
  readonly bytes: number
  readonly sha256: string
  readonly git: string
}

export const REVISION = "0123456789abcdef0123456789abcdef01234567"
/** Small, so that every list has more than one page. */
const PAGE_FILES = 3

export async function startHub(models: Readonly<Record<string, HubModelFiles>>): Promise<FakeHub> {
  const stored = new Map<string, Map<string, Stored>>()
  for (const [id, model] of Object.entries(models)) {
    const files = new Map<string, Stored>()
    for (const [path, contents] of Object.entries(model.files)) files.set(path, { model, contents, ...(await measure(contents)) })
    stored.set(id, files)
  }
  const requests: HubRequest[] = []
  const faults = new Map<string, HubFault[]>()
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", url)
    requests.push({ path: pathname, range: request.headers.range, ifRange: request.headers["if-range"] as string | undefined })
    const [, kind, owner, name, ...rest] = pathname.startsWith("/api/models/")
      ? pathname.slice(4).split("/")
      : ["", "", ...pathname.slice(1).split("/")]
    const files = stored.get(`${owner}/${name}`)
    if (files === undefined) return json(response, 401, { error: "Repository not found" })
    const [verb, revision, ...path] = rest
    const file = files.get(path.join("/"))
    if (kind === "models" && verb === "revision")
      return json(response, 200, { _id: "1", id: `${owner}/${name}`, private: false, sha: REVISION })
    if (kind === "models" && verb === "tree" && revision === REVISION)
      return list(response, files, pathname, Number(searchParams.get("page") ?? 0))
    if (file === undefined || revision !== REVISION) return json(response, 404, { error: "Entry not found" })
    const large = path[0] === "onnx"
    if (verb === "resolve" && large) {
      response.writeHead(302, { location: `${url}/${owner}/${name}/cdn/${revision}/${path.join("/")}` })
      response.end()
      return
    }
    await send(request, response, file, faults.get(path.join("/"))?.shift())
  }

  function list(response: ServerResponse, files: ReadonlyMap<string, Stored>, pathname: string, page: number): void {
    const all = [...files].map(([path, { model, bytes, sha256, git }]) => {
      const size = model.sizes?.[path] ?? bytes
      return { type: "file", path, oid: git, size, ...(path.startsWith("onnx/") ? { lfs: { oid: sha256, size, pointerSize: 130 } } : {}) }
    })
    if ((page + 1) * PAGE_FILES < all.length) response.setHeader("link", `<${url}${pathname}?recursive=true&page=${page + 1}>; rel="next"`)
    json(response, 200, [
      { type: "directory", path: `folder-${page}`, oid: REVISION, size: 0 },
      ...all.slice(page * PAGE_FILES, (page + 1) * PAGE_FILES),
    ])
  }

  return {
    url,
    requests,
    requestsFor: (file) =>
      requests.filter(({ path }) => path.endsWith(`/${file}`) && (file.startsWith("onnx/") ? path.includes("/cdn/") : true)),
    fail: (file, ...next) => faults.set(file, [...next]),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function send(request: IncomingMessage, response: ServerResponse, file: Stored, fault: HubFault | undefined): Promise<void> {
  if (fault?.kind === "status") return json(response, fault.status, { error: "as told" })
  if (fault?.kind === "endless") {
    response.writeHead(200)
    Readable.from(zeros()).pipe(response)
    return
  }
  const contents = fault?.kind === "contents" ? fault.contents : file.contents
  const total = typeof contents === "string" ? file.bytes : contents.length
  const etag = file.model.etag?.() ?? `"${file.sha256.slice(0, 32)}"`
  const { range, "if-range": ifRange } = request.headers
  const from = range !== undefined && (ifRange === undefined || ifRange === etag) ? Number(/^bytes=(\d+)-$/.exec(range)?.[1]) : 0
  if (from >= total && total > 0) {
    response.writeHead(416, { "content-range": `bytes */${total}` })
    response.end()
    return
  }
  const partial = from > 0 ? { "content-range": `bytes ${from}-${total - 1}/${total}` } : {}
  response.writeHead(from > 0 ? 206 : 200, { etag, "content-length": total - from, "accept-ranges": "bytes", ...partial })
  if (typeof contents === "string") {
    createReadStream(contents, { start: from }).pipe(response)
    return
  }
  if (fault?.kind === "cut" || fault?.kind === "stall") {
    response.write(contents.subarray(from, from + fault.afterBytes))
    if (fault.kind === "stall") return
    await fault.when
    response.socket?.destroy()
    return
  }
  response.end(contents.subarray(from))
}

function* zeros(): Generator<Uint8Array> {
  for (;;) yield new Uint8Array(1 << 16)
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(body))
}

async function measure(contents: Contents): Promise<{ bytes: number; sha256: string; git: string }> {
  const bytes = typeof contents === "string" ? (await stat(contents)).size : contents.length
  const sha256 = createHash("sha256")
  const git = createHash("sha1").update(`blob ${bytes}\0`)
  for await (const piece of typeof contents === "string" ? createReadStream(contents) : [contents]) {
    sha256.update(piece)
    git.update(piece)
  }
  return { bytes, sha256: sha256.digest("hex"), git: git.digest("hex") }
}
