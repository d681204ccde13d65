/**
 * The front door: Bun.serve, its routes, and who is let in. A refusal is an ordinary HTTP answer before there is a socket.
 * Knows no engine by name and nothing of what is said.
 */
import type { ApiKey } from "../api-keys.ts"
import { type Clock, realClock } from "../clock.ts"
import type { Defaults, HttpDoor, Refusal, SocketDoor } from "../dialects/door.ts"
import { HTTP_DOORS, SOCKET_DOORS } from "../dialects/index.ts"
import type { Mode } from "../dialects/query.ts"
import { wyomingDoor } from "../dialects/wyoming/wyoming.ts"
import type { Engine, Language } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import { refusals } from "../metrics.ts"
import { isOfPage, pageFile, wantsPage } from "../page/files.ts"
import { noTracer, type Span, type Tracer } from "../tracing.ts"
import { type Client, createAdmission, ownerOf } from "./admission.ts"
import { createAuth } from "./auth.ts"
import { createCalls } from "./calls.ts"
import type { Canary } from "./canary.ts"
import { type Answer, createDoors, isReading } from "./doors.ts"
import { collectProcessMetrics, metricsPage, watchReadiness } from "./health.ts"
import { createRecordings, noRecordings, RECORDING_SECONDS_MAX, type RecordingEngine } from "./recordings.ts"
import { shielded } from "./shielding.ts"
import { type Admitted, createSockets } from "./sockets.ts"
import { listenTcp, type TcpConnections } from "./tcp.ts"
import { createUploads, UPLOAD_LIMITS, type UploadLimits } from "./uploads.ts"

export interface ServerOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Whether another process that asks for the same may listen beside this one; a drain then leaves newcomers to it. Default: no. */
  readonly reusePort?: boolean
  /** PEM text. Without it the wire is plain. */
  readonly tls?: { readonly cert: string; readonly key: string }
  readonly engine: Engine
  /** Of the port for Home Assistant; 0 takes a free one. Unset: there is none. */
  readonly wyomingPort?: number | undefined
  /** Unset where the provider only hears live streams: recordings are then refused. */
  readonly recordings?: RecordingEngine
  /** Asked for readiness, too. Its owner closes it. */
  readonly canary?: Canary
  /** For clients that do not say `?mode=`. */
  readonly mode: Mode
  /** For clients that do not say `?language=`. */
  readonly language: Language
  /** As Defaults.strictModels. */
  readonly strictModels?: boolean
  /** The least time from an utterance's receipt to its reply; 0 disables. Mode `utterance` only. */
  readonly minReplyMs: number
  readonly maxSessions: number
  /** As AdmissionOptions. */
  readonly speakersMax?: () => number | undefined
  readonly ahead?: (owner: string) => number
  readonly perKeyMax?: number
  readonly perAddressMax?: number
  /** As clientAddress. Default: 0. */
  readonly proxyHops?: number
  /** As createAuth. Default: open to all. */
  readonly keys?: () => readonly ApiKey[] | undefined
  /** Whether keyless doors need a key too. Default: no. */
  readonly requireKey?: boolean
  /** Whose pages may connect; unset lets all in. A request without an Origin does not come from a page and passes. */
  readonly allowedOrigins?: readonly string[]
  /** Default: every dialect there is. */
  readonly socketDoors?: readonly SocketDoor[]
  readonly httpDoors?: readonly HttpDoor[]
  /** Default: UPLOAD_LIMITS, for each. */
  readonly uploads?: Partial<UploadLimits>
  /** Default: nobody listens. */
  readonly tracer?: Tracer
  readonly clock?: Clock
  /** Ms since 1970, for timestamps on the wire. */
  readonly unixNow?: () => number
  readonly log: Log
}

export interface RunningServer {
  readonly url: URL
  /** Null without one. */
  readonly wyomingPort: number | null
  /**
   * No new sockets; utterances in flight are answered, sockets closed 1001; all is stopped `deadlineMs` from now at the latest.
   * May be called again for an earlier deadline.
   */
  drain(deadlineMs: number): Promise<void>
  /** Cuts everything off at once. Idempotent; also ends a drain. */
  stop(): Promise<void>
}

/** After which a refused client may try again. */
const RETRY_AFTER_SECONDS = 1

/** It tells of the clients, by the names of their keys. The other pages are the same for everybody, and probes show no key. */
const KEYED_PAGE = "/metrics"
const FRONT =
  "xrx-stt: speech to text over a WebSocket at /api/v1/ws; also /healthz, /readyz, /metrics; in a browser, the page to try it, /status and /docs"

/** How often a server that leaves looks whether its last answers are out. */
const PENDING_LOOK_MS = 10

/** The engine stays the caller's: it is not closed here. */
export function startServer(options: ServerOptions): RunningServer {
  const { engine, clock = realClock, unixNow = Date.now, log } = options
  const { socketDoors = SOCKET_DOORS, httpDoors = HTTP_DOORS, tracer = noTracer } = options
  const admission = createAdmission({ ...options, sessionsMax: options.maxSessions, clock })
  const auth = createAuth(options.keys ?? (() => undefined))
  const sockets = createSockets({ engine, minReplyMs: options.minReplyMs, admission, clock, log })
  const defaults = defaultsOf(options)
  const limits = { ...UPLOAD_LIMITS, ...options.uploads }
  const uploads = createUploads(limits, clock)
  const calls = createCalls({ defaults, uploads, recordingsFor: recordingsOf(options, limits.bytesMax, clock), admission, clock, log })
  const { allowedOrigins, requireKey = false, proxyHops = 0, reusePort = false } = options
  const guards = { whyNobody, auth, requireKey, admission, allowedOrigins, proxyHops }
  const doors = createDoors({ socketDoors, httpDoors, defaults, calls, ...guards, unixNow, tracer })
  const readiness = watchReadiness(engine)
  collectProcessMetrics()
  let draining = false

  function whyNobody(): Refusal | undefined {
    if (!draining) return undefined
    return { reason: "draining", status: 503, message: "shutting down", retryAfterSeconds: RETRY_AFTER_SECONDS }
  }

  async function readyz(): Promise<Response> {
    // Full is said last: then all else is well, and requests are answered.
    const why = whyNobody()?.message ?? (await readiness.whyNot()) ?? options.canary?.whyNot ?? admission.whyFull()?.message
    return why === undefined ? line(200, "ok") : line(503, `not ready: ${why}`)
  }

  function showMetrics() {
    admission.count()
    return metricsPage()
  }

  const pages = new Map<string, (request: Request) => Response | Promise<Response>>([
    ["/healthz", () => line(200, "ok")],
    ["/readyz", readyz],
    [KEYED_PAGE, showMetrics],
    ["/", front],
  ])

  function answer(request: Request, bun: Bun.Server<Admitted>): Answer {
    // Its host is whatever the client wrote; health checks of proxies that speak HTTP/1.0 write none.
    const url = URL.parse(request.url, "http://localhost")
    if (!url) return line(400, "not a request that we can read")
    const entered = doors.enter(url, request, bun)
    return entered === "elsewhere" ? page(url, request) : entered
  }

  function page({ pathname, searchParams }: URL, request: Request): Response | Promise<Response> {
    const asked = pages.get(pathname) ?? lookOf(pathname)
    if (!asked) return line(404, "nothing here")
    if (!isReading(request.method)) return line(405, "only GET here", { allow: "GET, HEAD" })
    if (pathname !== KEYED_PAGE) return asked(request)
    const shown = auth.check({ header: (name) => request.headers.get(name), query: searchParams }, true)
    if (shown.ok) return asked(request)
    refusals.inc({ door: "metrics", reason: shown.refusal.reason })
    return line(shown.refusal.status, shown.refusal.message, { "www-authenticate": "Bearer" })
  }

  /** For a browser. */
  function lookOf(path: string) {
    if (!isOfPage(path)) return undefined
    return async () => (await pageFile(path)) ?? line(404, "nothing here")
  }

  /** People see the page; whoever asks from a terminal reads what there is. */
  async function front(request: Request): Promise<Response> {
    const page = wantsPage(request) ? await pageFile("/") : undefined
    return page ?? line(200, FRONT, { vary: "accept" })
  }

  const server = Bun.serve<Admitted>({
    hostname: options.host,
    port: options.port,
    ...(options.tls && { tls: { cert: options.tls.cert, key: options.tls.key } }),
    development: false,
    // Without development Bun lets several processes share a port: a second server would take half of the clients in silence.
    reusePort,
    // Counted while it comes, and refused in the words of its door: see uploads.ts.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    websocket: sockets.websocket,
    fetch(request, bun) {
      const answered = answer(request, bun)
      return answered instanceof Promise ? answered.then(shielded) : answered && shielded(answered)
    },
    error(thrown) {
      log.error("request broke", { error: thrown.name })
      return shielded(line(500, "internal error"))
    },
  })

  const wyoming = openWyoming()

  function openWyoming(): TcpConnections | null {
    const { host: hostname, wyomingPort: port } = options
    if (port === undefined) return null
    try {
      const whyNot = (client: Client) => whyNobody() ?? admission.whyNoSocket(client)
      return listenTcp({ hostname, port, door: wyomingDoor, defaults, engine, reusePort, whyNot, admission, tracer, clock, unixNow, log })
    } catch (cause) {
      void server.stop(true)
      throw new Error(`WYOMING_PORT ${port} cannot be had`, { cause })
    }
  }

  async function stop() {
    draining = true
    wyoming?.stop()
    calls.stop()
    await server.stop(true)
  }

  async function drain(deadlineMs: number) {
    draining = true
    // Else the system would still send us half of the newcomers, to be refused. The rest of its promise is kept below.
    if (reusePort) void server.stop()
    let overdue = false
    const cancelDeadline = clock.after(deadlineMs, () => {
      overdue = true
    })
    await Promise.all([sockets.drain(deadlineMs), wyoming?.drain(deadlineMs)])
    // Bun knows which answers are still worked out or on their way to a slow reader, but not how to tell us.
    while (!overdue && server.pendingRequests > 0) await new Promise<void>((resolve) => void clock.after(PENDING_LOOK_MS, resolve))
    cancelDeadline()
    await stop()
  }

  return { url: server.url, wyomingPort: wyoming?.port ?? null, drain, stop }
}

function defaultsOf({ engine, mode, language, strictModels }: ServerOptions): Defaults {
  return {
    mode,
    language,
    strictModels,
    provider: engine.name,
    get model() {
      return engine.model
    },
  }
}

function recordingsOf({ recordings, engine }: ServerOptions, bytesMax: number, clock: Clock) {
  if (!recordings) return () => noRecordings(engine.name)
  const ofClient = createRecordings(recordings, { bytesMax, secondsMax: RECORDING_SECONDS_MAX }, clock)
  return (door: string, client: Client, trace: Span) => ofClient(door, ownerOf(client), trace)
}

function line(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(`${text}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } })
}
