/**
 * The front door: Bun.serve, its routes, and who is let in. A refusal is an ordinary HTTP answer before there is a socket.
 * Knows no engine by name and nothing of what is said.
 */
import { type Clock, realClock } from "../clock.ts"
import type { Engine, Language } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import { refusals } from "../metrics.ts"
import { collectProcessMetrics, metricsPage, watchReadiness } from "./health.ts"
import { type Mode, parseQuery } from "./query.ts"
import { type Admitted, createSockets } from "./sockets.ts"

export type { Mode } from "./query.ts"

export interface ServerOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** PEM text. Without it the wire is plain. */
  readonly tls?: { readonly cert: string; readonly key: string }
  readonly engine: Engine
  /** For clients that do not say `?mode=`. */
  readonly mode: Mode
  /** For clients that do not say `?language=`. */
  readonly language: Language
  /** The least time from an utterance's receipt to its reply; 0 disables. Mode `utterance` only. */
  readonly minReplyMs: number
  readonly maxSessions: number
  /** Whose pages may connect; unset lets all in. A request without an Origin does not come from a page and passes. */
  readonly allowedOrigins?: readonly string[]
  readonly clock?: Clock
  readonly log: Log
}

export interface RunningServer {
  readonly url: URL
  /**
   * No new sockets; utterances in flight are answered, sockets closed 1001; all is stopped `deadlineMs` from now at the latest.
   * May be called again for an earlier deadline.
   */
  drain(deadlineMs: number): Promise<void>
  /** Cuts everything off at once. Idempotent; also ends a drain. */
  stop(): Promise<void>
}

const SOCKET_PATH = "/api/v1/ws"

/** Seconds after which a refused client may try again. */
const RETRY_AFTER_SECONDS = "1"

/** The engine stays the caller's: it is not closed here. */
export function startServer(options: ServerOptions): RunningServer {
  const { engine, maxSessions, clock = realClock, log } = options
  const sockets = createSockets({ engine, minReplyMs: options.minReplyMs, clock, log })
  const readiness = watchReadiness(engine)
  collectProcessMetrics()
  let draining = false

  /** Why a whole class of newcomers is turned away now, if it is. */
  function whyClosed(): { reason: string; text: string } | undefined {
    if (draining) return { reason: "draining", text: "shutting down" }
    if (sockets.count >= maxSessions) return { reason: "full", text: `full: ${maxSessions} sessions are open` }
    return undefined
  }

  async function readyz(): Promise<Response> {
    const why = whyClosed()?.text ?? (await readiness.whyNot())
    return why === undefined ? line(200, "ok") : line(503, `not ready: ${why}`)
  }

  /** The place for every refusal before there is a socket; undefined lets the request in. */
  function refuse(request: Request): { reason: string; response: Response } | undefined {
    const closed = whyClosed()
    if (closed) return { reason: closed.reason, response: line(503, closed.text, { "retry-after": RETRY_AFTER_SECONDS }) }
    const origin = request.headers.get("origin")
    if (origin !== null && !originAllowed(origin, options.allowedOrigins)) {
      return { reason: "origin", response: line(403, "this origin is not allowed") }
    }
    return undefined
  }

  function upgrade(request: Request, query: URLSearchParams, server: Bun.Server<Admitted>): Answer {
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return line(426, `${SOCKET_PATH} speaks WebSocket only`, { upgrade: "websocket", connection: "Upgrade" })
    }
    const refusal = refuse(request)
    if (refusal) return refused(refusal.reason, refusal.response)
    const parsed = parseQuery(query, { mode: options.mode, language: options.language })
    if (!parsed.ok) return refused("query", line(400, parsed.fault))
    if (server.upgrade(request, { data: parsed.wishes })) return undefined
    return refused("handshake", line(400, "not a WebSocket handshake"))
  }

  const routes: ReadonlyMap<string, Route> = new Map<string, Route>([
    [SOCKET_PATH, upgrade],
    ["/healthz", () => line(200, "ok")],
    ["/readyz", readyz],
    ["/metrics", metricsPage],
    ["/", () => line(200, `xrx-stt: speech to text over a WebSocket at ${SOCKET_PATH}; also /healthz, /readyz, /metrics`)],
  ])

  function answer(request: Request, server: Bun.Server<Admitted>): Answer {
    // Its host is whatever the client wrote.
    const url = URL.parse(request.url)
    if (!url) return line(400, "not a request that we can read")
    const { pathname, searchParams } = url
    const route = routes.get(pathname)
    if (!route) return line(404, "nothing here")
    if (request.method !== "GET" && request.method !== "HEAD") return line(405, "only GET here", { allow: "GET, HEAD" })
    return route(request, searchParams, server)
  }

  const server = Bun.serve<Admitted>({
    hostname: options.host,
    port: options.port,
    ...(options.tls && { tls: { cert: options.tls.cert, key: options.tls.key } }),
    development: false,
    // Without development Bun lets several processes share a port: the second server would take half of the clients in silence.
    reusePort: false,
    websocket: sockets.websocket,
    fetch: answer,
    error(thrown) {
      log.error("request broke", { error: thrown.name })
      return line(500, "internal error")
    },
  })

  async function stop() {
    draining = true
    await server.stop(true)
  }

  return {
    url: server.url,
    async drain(deadlineMs) {
      draining = true
      await sockets.drain(deadlineMs)
      await stop()
    },
    stop,
  }
}

/** Nothing, once the request has become a socket. */
type Answer = Response | Promise<Response> | undefined
type Route = (request: Request, query: URLSearchParams, server: Bun.Server<Admitted>) => Answer

function line(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(`${text}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } })
}

function refused(reason: string, response: Response): Response {
  refusals.inc({ reason })
  return response
}

function originAllowed(origin: string, allowed: readonly string[] | undefined): boolean {
  return allowed === undefined || allowed.some((one) => one.toLowerCase() === origin.toLowerCase())
}
