/**
 * The doors of all dialects: which of them a request is at, whether it may come in, and each refusal in the words of its door.
 * Knows no dialect by name.
 */
import type { Asking, Defaults, HttpDoor, Refusal, SocketDoor } from "../dialects/door.ts"
import { refusals } from "../metrics.ts"
import type { RequestSpan, Tracer } from "../tracing.ts"
import { clientAddress } from "./addresses.ts"
import type { Admission, Client } from "./admission.ts"
import type { Auth } from "./auth.ts"
import { type Calls, endAnswered, isStream } from "./calls.ts"
import { mayAsk, preflight, showTo } from "./origins.ts"
import { worded } from "./refusing.ts"
import { createRoutes } from "./routes.ts"
import type { Admitted } from "./sockets.ts"

export interface DoorsOptions {
  readonly socketDoors: readonly SocketDoor[]
  readonly httpDoors: readonly HttpDoor[]
  readonly defaults: Defaults
  readonly calls: Calls
  /** Why nobody may come in now. */
  readonly whyNobody: () => Refusal | undefined
  readonly auth: Auth
  /** Whether doors that are keyless need a key too. */
  readonly requireKey: boolean
  readonly admission: Admission
  /** As clientAddress. */
  readonly proxyHops: number
  readonly allowedOrigins: readonly string[] | undefined
  readonly unixNow: () => number
  readonly tracer: Tracer
}

/** After its answer a connection may idle so long, as at the pages that are no door: what Bun itself grants. */
const IDLE_SECONDS = 10

/** What Bun answers to an upgrade. */
const SWITCHED = 101

/** Whose names may stand in a trace; any other word is the client's. */
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

/** Nothing, once the request has become a socket. */
export type Answer = Response | Promise<Response> | undefined

export interface Doors {
  /** "elsewhere" if no door is there. */
  enter(url: URL, request: Request, server: Bun.Server<Admitted>): Answer | "elsewhere"
}

/** A request at an HttpDoor. */
type Visit = Asking & { readonly rest: string; readonly trace: RequestSpan }

export function createDoors({ socketDoors, httpDoors, defaults, calls, ...options }: DoorsOptions): Doors {
  const routeOf = createRoutes(socketDoors, httpDoors)
  const { auth, admission, proxyHops, tracer } = options

  function whyStranger(request: Request): Refusal | undefined {
    if (mayAsk(request.headers.get("origin"), options.allowedOrigins)) return undefined
    return { reason: "origin", status: 403, message: "this origin is not allowed" }
  }

  /** Who asks, if such a one gets a socket here now, whatever it asks of the door. */
  function letIn(door: SocketDoor, request: Request, asking: Asking, server: Bun.Server<Admitted>): Client | Refusal {
    const closed = options.whyNobody() ?? whyStranger(request)
    if (closed) return closed
    const shown = auth.check(asking, options.requireKey || door.keyless !== true)
    if (!shown.ok) return shown.refusal
    const client = clientOf(asking, request, server, shown.name)
    return admission.whyNoSocket(client) ?? client
  }

  function upgrade(
    door: SocketDoor,
    request: Request,
    asking: Asking,
    trace: RequestSpan,
    server: Bun.Server<Admitted>,
  ): Response | undefined {
    const client = letIn(door, request, asking, server)
    if ("reason" in client) return refused(door, client, asking)
    const opening = door.open(asking, defaults)
    if (!opening.ok) {
      refusals.inc({ door: door.name, reason: "query" })
      return opening.refusal
    }
    const sudden = opening.paced ? admission.whyTooSudden(client) : undefined
    if (sudden) return refused(door, sudden, asking)
    const { requestId: id, unixMs } = asking
    const data = { id, unixMs, opening, messageMax: door.messageMax, client, trace }
    if (server.upgrade(request, { data, ...(opening.headers && { headers: opening.headers }) })) return undefined
    return refused(door, { reason: "handshake", status: 400, message: "not a WebSocket handshake" }, asking)
  }

  /**
   * Somebody who does not even ask for a socket is told why there is none for him, or else how to get one, and counts as no refusal:
   * browsers hide from a page why its socket was refused, so that it asks again like this.
   */
  function tellOfSocket(door: SocketDoor, request: Request, asking: Asking, server: Bun.Server<Admitted>): Response {
    const { refuse } = door
    if (!isReading(request.method))
      return worded(refuse, { reason: "method", status: 405, message: "only GET here" }, asking, { allow: "GET, HEAD" })
    const client = letIn(door, request, asking, server)
    if ("reason" in client) return worded(refuse, client, asking)
    const opening = door.open(asking, defaults)
    if (!opening.ok) return opening.refusal
    const sudden = opening.paced ? admission.whyTooSudden(client) : undefined
    if (sudden) return worded(refuse, sudden, asking)
    const message = `${asking.path} speaks WebSocket only`
    return worded(refuse, { reason: "handshake", status: 426, message }, asking, { upgrade: "websocket", connection: "Upgrade" })
  }

  async function call(
    doors: readonly [HttpDoor, ...HttpDoor[]],
    request: Request,
    visit: Visit,
    server: Bun.Server<Admitted>,
  ): Promise<Response> {
    const { method } = request
    const door = doors.find(({ methods }) => methods.some((one) => one === method || (one === "GET" && isReading(method))))
    const refusal = whyStranger(request)
    if (refusal) return refused(doors[0], refusal, visit)
    // A browser asks with OPTIONS before it shows a key.
    const response = await (method === "OPTIONS" ? preflight(request, methodsOf(doors)) : door ? handled(door) : wrongMethod())
    showTo(request.headers.get("origin"), response)
    return response

    function handled(door: HttpDoor) {
      const closed = options.whyNobody()
      if (closed) return refused(door, closed, visit)
      const shown = auth.check(visit, true)
      if (!shown.ok) return refused(door, shown.refusal, visit)
      const client = clientOf(visit, request, server, shown.name)
      const greedy = admission.whyNoRequest(client)
      if (greedy) return refused(door, greedy, visit)
      // Bun would cut off a request that is worked on for ten seconds.
      server.timeout(request, 0)
      return calls.answer(door, request, { ...visit, client }, () => server.timeout(request, IDLE_SECONDS))
    }

    function wrongMethod() {
      const allow = methodsOf(doors)
      return worded(doors[0].refuse, { reason: "method", status: 405, message: `only ${allow} here` }, visit, { allow })
    }
  }

  function clientOf({ header }: Asking, request: Request, server: Bun.Server<Admitted>, key: string | undefined): Client {
    const peer = server.requestIP(request)?.address ?? ""
    return { key, address: clientAddress(peer, header("x-forwarded-for"), proxyHops) }
  }

  return {
    enter(url, request, server) {
      const path = url.pathname
      const route = routeOf(path)
      if (!route) return "elsewhere"
      const { socket, http, rest } = route
      const header = (name: string) => request.headers.get(name)
      const asking = { requestId: crypto.randomUUID(), path, query: url.searchParams, header, unixMs: options.unixNow() }
      const method = METHODS.has(request.method) ? request.method : "_OTHER"
      // Not the path: what stands in the place of the `*` is the client's.
      const at = rest === "" ? path : `${path.slice(0, -rest.length)}*`
      const trace = tracer.request(`${method} ${at}`, header("traceparent"), { request: asking.requestId, method, route: at })
      if (socket && request.method === "GET" && wantsSocket(request))
        return answered(upgrade(socket, request, asking, trace, server), asking, trace)
      const [first, ...others] = http
      const visit = { ...asking, rest: decoded(rest), trace }
      if (first) return call([first, ...others], request, visit, server).then((response) => answered(response, asking, trace))
      return socket ? answered(tellOfSocket(socket, request, asking, server), asking, trace) : "elsewhere"
    },
  }
}

function refused(door: Pick<SocketDoor, "name" | "refuse">, refusal: Refusal, asking: Asking): Response {
  refusals.inc({ door: door.name, reason: refusal.reason })
  return worded(door.refuse, refusal, asking)
}

function answered<Given extends Response | undefined>(response: Given, { requestId }: Asking, trace: RequestSpan): Given {
  response?.headers.set("x-request-id", requestId)
  if (!response) endAnswered(trace, SWITCHED)
  else if (!isStream(response)) endAnswered(trace, response.status)
  return response
}

function methodsOf(doors: readonly HttpDoor[]): string {
  return doors.flatMap(({ methods }) => methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]))).join(", ")
}

function wantsSocket({ headers }: Request): boolean {
  return headers.get("upgrade")?.toLowerCase() === "websocket"
}

export function isReading(method: string): boolean {
  return method === "GET" || method === "HEAD"
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
