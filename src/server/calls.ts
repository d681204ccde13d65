/**
 * Ordinary requests in work: each gets its body, its deadline and an answer in its door's words, whatever becomes of it; and
 * each is known until its answer has left. Knows no path and nothing of what is asked.
 */
import type { Clock } from "../clock.ts"
import { type Asking, type Defaults, type HttpCall, type HttpDoor, Refused, refusalOf } from "../dialects/door.ts"
import type { Recordings } from "../dialects/recordings.ts"
import { EngineError } from "../engines/engine.ts"
import type { Log } from "../log.ts"
import { requests, requestsOpen } from "../metrics.ts"
import type { Span } from "../tracing.ts"
import { type Admission, type Client, ownerOf } from "./admission.ts"
import { worded } from "./refusing.ts"
import type { Uploads } from "./uploads.ts"

/** A request that takes longer is given up: hours of sound on a small machine take less. */
export const CALL_MS_MAX = 60 * 60_000

/** Whoever takes nothing of its answer for so long does not read it, and holds what others wait for. */
const UNREAD_MS_MAX = 60_000

export interface CallsOptions {
  readonly defaults: Defaults
  readonly uploads: Uploads
  /** As HttpCall.recordings, for requests of that client at the door of that name. */
  readonly recordingsFor: (door: string, client: Client, trace: Span) => Recordings
  readonly admission: Admission
  readonly clock: Clock
  readonly log: Log
}

export interface Calls {
  /** `onWorked` is told once when nothing is worked out for it any more: what is left is on its way. */
  answer(door: HttpDoor, request: Request, visit: Visit, onWorked: () => void): Promise<Response>
  /** Gives all up. */
  stop(): void
}

/** A request that was let in. Its span ends with its answer, also where that is still being worked out while it is sent. */
type Visit = Asking & { readonly rest: string; readonly client: Client; readonly trace: Span }

export function createCalls({ defaults, uploads, recordingsFor, admission, clock, log }: CallsOptions): Calls {
  const open = new Set<AbortController>()

  async function answer(door: HttpDoor, request: Request, { client, trace, ...asking }: Visit, onWorked: () => void): Promise<Response> {
    const over = new AbortController()
    const startedAtMs = clock.now()
    const leave = () => over.abort(new EngineError("aborted", "the client left"))
    request.signal.addEventListener("abort", leave, { once: true })
    const cancelDeadline = clock.after(CALL_MS_MAX, () => over.abort(tooLong()))
    const upload = uploads.open(request, ownerOf(client), over.signal)
    open.add(over)
    const leaveAdmission = admission.begin(client)
    requestsOpen.inc({ door: door.name })

    /** Idempotent. */
    function end(status: number) {
      if (!open.delete(over)) return
      onWorked()
      request.signal.removeEventListener("abort", leave)
      cancelDeadline()
      upload.release()
      leaveAdmission()
      requestsOpen.dec({ door: door.name })
      requests.inc({ door: door.name, status })
      endAnswered(trace, status)
      const durationMs = Math.round(clock.now() - startedAtMs)
      log.info("request", { request: asking.requestId, door: door.name, key: client.key, status, durationMs })
    }

    const call: HttpCall = {
      ...asking,
      method: request.method,
      defaults,
      signal: over.signal,
      bytes: upload.bytes,
      keep: upload.keep,
      readAll: upload.readAll,
      recordings: recordingsFor(door.name, client, trace),
    }
    const response = await handled(door, call, over)
    if (!isStream(response)) {
      end(response.status)
      return response
    }
    return untilSent(response, clock, (whole) => {
      // Nobody reads any more: what is still being worked out is for nothing.
      if (!whole) over.abort(new EngineError("aborted", "the client left"))
      end(response.status)
    })
  }

  async function handled(door: HttpDoor, call: HttpCall, { signal }: AbortController): Promise<Response> {
    try {
      return await door.handle(call)
    } catch (thrown) {
      // What a door sees of our own end is any kind of abort; the reason is ours.
      const cause: unknown = signal.aborted ? signal.reason : thrown
      const refusal = refusalOf(cause)
      if (refusal.reason === "internal")
        log.error("request broke", { request: call.requestId, error: cause instanceof Error ? cause.name : typeof cause })
      return worded(door.refuse, refusal, call)
    }
  }

  return {
    answer,
    stop() {
      for (const over of open) over.abort(new EngineError("aborted", "shutting down"))
    },
  }
}

function tooLong(): Refused {
  return new Refused({ reason: "timeout", status: 504, message: "this took too long", retryable: false })
}

/** Of a request. What the client did wrong is no failure of the server. */
export function endAnswered(span: Span, status: number): void {
  span.add({ status })
  span.end(status >= 500 ? { code: String(status) } : undefined)
}

/** Whether the answer is still being worked out while it is sent. */
export function isStream({ headers, body }: Response): boolean {
  return body !== null && headers.get("content-type")?.startsWith("text/event-stream") === true
}

/** The same answer; `onEnd` is told when all of it was taken, or when it broke off or was read no more. */
function untilSent(response: Response, clock: Clock, onEnd: (whole: boolean) => void): Response {
  const reader = response.body?.getReader()
  let callOff = () => {}
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      callOff()
      try {
        const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
        if (done) {
          controller.close()
          onEnd(true)
          return
        }
        controller.enqueue(value)
        callOff = clock.after(UNREAD_MS_MAX, () => {
          controller.error(new EngineError("aborted", "the client does not read"))
          onEnd(false)
          reader?.cancel().catch(() => {})
        })
      } catch (thrown) {
        controller.error(thrown)
        onEnd(false)
      }
    },
    async cancel(reason) {
      callOff()
      onEnd(false)
      await reader?.cancel(reason)
    },
  })
  return new Response(body, { status: response.status, headers: response.headers })
}
