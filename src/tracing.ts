/**
 * What became of one request or one utterance, and how long each part of it took, as our rooms tell it. Any room may tell; only `otlp.ts`
 * knows who listens. By default nobody does, and to tell costs nothing.
 *
 * As in the log: names, numbers and ids. Never a transcript, audio, a key, or anything as a client wrote it.
 */
import type { LogFields } from "./log.ts"

/** What something failed of: an EngineError, and whatever else has a code. `aborted`: nobody waits for it any more, so it is none. */
export interface Failure {
  readonly code: string
  /** The provider's own name for it. */
  readonly providerCode?: string | undefined
}

/** Something that takes time. It begins when it is made. */
export interface Span {
  /** A part of it. `client`: another machine is asked. */
  part(name: string, fields?: LogFields, kind?: "internal" | "client"): Span
  /** What is known of it by now. */
  add(fields: LogFields): void
  /** Something happened in it now. */
  note(event: string): void
  /** It is over, well or not. Again is ignored, and so is what is added afterwards. */
  end(failure?: Failure): void
}

export interface RequestSpan extends Span {
  /**
   * What comes of the request later, maybe after its end: in the trace of its sender if that has one, else in a trace of its own
   * with a link to this.
   */
  follow(name: string, fields?: LogFields): Span
}

export interface Tracer {
  /** Somebody asks. `traceparent`: as it was sent (W3C Trace Context); what cannot be read is ignored. */
  request(name: string, traceparent: string | null, fields: LogFields): RequestSpan
}

/** Told to nobody. */
export const noSpan: RequestSpan = { part: () => noSpan, follow: () => noSpan, add() {}, note() {}, end() {} }

export const noTracer: Tracer = { request: () => noSpan }

/** The work as a part of `whole`, which ends with it. Without a whole it is done all the same. */
export function asPart<Done>(
  whole: Span | undefined,
  name: string,
  fields: LogFields,
  work: (part: Span | undefined) => Promise<Done>,
): Promise<Done> {
  if (whole === undefined || whole === noSpan) return work(undefined)
  const part = whole.part(name, fields)
  return work(part).then(
    (done) => {
      part.end()
      return done
    },
    (thrown: unknown) => {
      part.end(failureOf(thrown))
      throw thrown
    },
  )
}

/** Nothing but its code: a message may quote anything. */
export function failureOf(thrown: unknown): Failure {
  if (!(thrown instanceof Error) || !("code" in thrown) || typeof thrown.code !== "string") return { code: "internal" }
  const providerCode = "providerCode" in thrown && typeof thrown.providerCode === "string" ? thrown.providerCode : undefined
  return { code: thrown.code, providerCode }
}
