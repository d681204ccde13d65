/**
 * Traces as OpenTelemetry has them, sent to a collector over OTLP. The one file that knows OpenTelemetry, loaded only where traces are
 * asked for. Knows no room: what they tell becomes spans, whatever it is.
 *
 * Whoever tells never waits: spans that the collector does not take in time are dropped and counted.
 */
import { type Attributes, ROOT_CONTEXT, SpanKind, type Span as Spanned, SpanStatusCode, TraceFlags, trace } from "@opentelemetry/api"
import { ExportResultCode, parseTraceParent } from "@opentelemetry/core"
import { OTLPExporterBase } from "@opentelemetry/otlp-exporter-base"
import { createOtlpHttpExportDelegate, httpAgentFactoryFromOptions } from "@opentelemetry/otlp-exporter-base/node-http"
import { ProtobufTraceSerializer, TraceExporterMetricsHelper } from "@opentelemetry/otlp-transformer"
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources"
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace"
import type { Clock } from "./clock.ts"
import type { Log, LogFields } from "./log.ts"
import { spansDropped, spansWaiting } from "./metrics.ts"
import type { RequestSpan, Span, Tracer } from "./tracing.ts"

export type SamplerName =
  | "always_on"
  | "always_off"
  | "traceidratio"
  | "parentbased_always_on"
  | "parentbased_always_off"
  | "parentbased_traceidratio"

export interface TracingOptions {
  /** Where spans are posted to. */
  readonly url: string
  /** PEM text of those who may have signed its certificate; undefined: the usual ones. */
  readonly authority?: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly compression: "none" | "gzip"
  /** What is said of this server, by its names in OpenTelemetry. */
  readonly resource: Readonly<Record<string, string>>
  readonly sampler: SamplerName
  /** The share of traces that is sent, 0 to 1, by the samplers of that name. */
  readonly ratio: number
  /** Spans that may wait for the collector; further ones are dropped. */
  readonly waitingMax: number
  /** How long spans are gathered before they are sent together. */
  readonly gatherMs: number
  /** How long it may take to send them, with all tries. */
  readonly timeoutMs: number
  readonly version: string
  readonly clock: Clock
  readonly log: Log
}

export interface Tracing {
  readonly tracer: Tracer
  /** Sends what waits, `deadlineMs` at most. To be called once, when nothing more is told. Never rejects. */
  close(deadlineMs: number): Promise<void>
}

/** Sends nothing before there is something to send. */
export function openTracing(options: TracingOptions): Tracing {
  const { url, resource, sampler, ratio, version, clock, log } = options
  const provider = new TracerProvider({
    resource: defaultResource().merge(resourceFromAttributes(resource)),
    sampler: samplerOf(sampler, ratio),
    spanProcessors: [createQueue(createExporter(options), options)],
  })
  const tracer = provider.getTracer("xrx-stt", version)
  log.info("traces are sent", { collector: new URL(url).host, sampler })

  function begin(name: string, fields: LogFields | undefined, kind: SpanKind, parent?: Spanned): Spanned {
    const context = parent ? trace.setSpan(ROOT_CONTEXT, parent) : ROOT_CONTEXT
    return tracer.startSpan(name, { kind, attributes: attributesOf(fields) }, context)
  }

  function spanOf(span: Spanned): Span {
    return {
      part: (name, fields, kind = "internal") => spanOf(begin(name, fields, kind === "client" ? SpanKind.CLIENT : SpanKind.INTERNAL, span)),
      add: (fields) => void (span.isRecording() && span.setAttributes(attributesOf(fields))),
      note: (event) => void (span.isRecording() && span.addEvent(event)),
      end(failure) {
        if (!span.isRecording()) return
        if (failure?.code === ABORTED) {
          span.setAttributes(attributesOf({ outcome: ABORTED }))
        } else if (failure) {
          span.setAttributes(attributesOf({ code: failure.code, providerCode: failure.providerCode }))
          span.setStatus({ code: SpanStatusCode.ERROR })
        }
        span.end()
      },
    }
  }

  function request(name: string, traceparent: string | null, fields: LogFields): RequestSpan {
    const sender = traceparent === null ? null : parseTraceParent(traceparent)
    const parent = sender ? trace.wrapSpanContext({ ...sender, isRemote: true }) : undefined
    const span = begin(name, fields, SpanKind.SERVER, parent)
    const links = [{ context: span.spanContext() }]
    return {
      ...spanOf(span),
      follow(name, fields) {
        if (sender) return spanOf(begin(name, fields, SpanKind.INTERNAL, span))
        return spanOf(tracer.startSpan(name, { kind: SpanKind.INTERNAL, attributes: attributesOf(fields), links }, ROOT_CONTEXT))
      },
    }
  }

  return {
    tracer: { request },
    async close(deadlineMs) {
      const late = Promise.withResolvers<"late">()
      const cancel = clock.after(deadlineMs, () => late.resolve("late"))
      // What failed to be sent was told of already.
      const sent = provider.shutdown().catch(() => {})
      if ((await Promise.race([sent, late.promise])) === "late") log.warn("traces not sent", { reason: "the server goes" })
      cancel()
    },
  }
}

/** Nobody waited for it any more, which is no error: words begun in a pause are given up when the speaker goes on. */
const ABORTED = "aborted"

/** Messages to the collector at once: more than one only at the end. */
const POSTS_AT_ONCE = 30

/** Not the library's `OTLPTraceExporter`, which is these same parts, but reads the environment by itself. */
function createExporter({ url, authority, headers, compression, timeoutMs, version }: TracingOptions): SpanExporter {
  const sent = { ...headers, "content-type": "application/x-protobuf" }
  const post = {
    url,
    headers: async () => ({ ...sent }),
    compression,
    timeoutMillis: timeoutMs,
    concurrencyLimit: POSTS_AT_ONCE,
    agentFactory: httpAgentFactoryFromOptions({ keepAlive: true, ...(authority !== undefined && { ca: authority }) }),
    userAgent: `xrx-stt/${version}`,
  }
  const delegate = createOtlpHttpExportDelegate(
    post,
    ProtobufTraceSerializer,
    "otlp_http_span_exporter",
    TraceExporterMetricsHelper,
    undefined,
  )
  return new OTLPExporterBase(delegate)
}

/** A collector that is away is told of once in so long. */
export const COMPLAINT_EVERY_MS = 60_000

/** The library's own queue, counted: it has the ceiling, and tells nobody what it drops. */
function createQueue(exporter: SpanExporter, { url, waitingMax, gatherMs, clock, log }: TracingOptions): SpanProcessor {
  let waiting = 0
  let dropped = 0
  let complainedAtMs = Number.NEGATIVE_INFINITY

  function moved(change: number) {
    waiting += change
    spansWaiting.set(waiting)
  }

  function lost(count: number, cause: "queue_full" | "export", reason: string) {
    spansDropped.inc({ cause }, count)
    dropped += count
    if (clock.now() - complainedAtMs < COMPLAINT_EVERY_MS) return
    complainedAtMs = clock.now()
    log.warn("traces not sent", { collector: new URL(url).host, spans: dropped, reason })
    dropped = 0
  }

  const queue = new BatchSpanProcessor({
    maxQueueSize: waitingMax,
    scheduledDelayMillis: gatherMs,
    exporter: {
      export(spans, done) {
        moved(-spans.length)
        exporter.export(spans, (result) => {
          if (result.code !== ExportResultCode.SUCCESS) lost(spans.length, "export", reasonOf(result.error))
          done(result)
        })
      },
      shutdown: () => exporter.shutdown(),
    },
  })
  return {
    onStart() {},
    onEnd(span) {
      if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return
      if (waiting >= waitingMax) return lost(1, "queue_full", "too many wait")
      moved(1)
      queue.onEnd(span)
    },
    forceFlush: () => queue.forceFlush(),
    shutdown: () => queue.shutdown(),
  }
}

/** The system's or HTTP's code; else the library's words. What the collector wrote is not among them. */
function reasonOf(error: (Error & { readonly code?: unknown }) | undefined): string {
  const code = error?.code
  if (typeof code === "string") return code
  return typeof code === "number" ? `HTTP ${code}` : (error?.message ?? "unknown")
}

function samplerOf(name: SamplerName, ratio: number): Sampler {
  if (name.startsWith("parentbased_")) return new ParentBasedSampler({ root: samplerOf(name.slice(12) as SamplerName, ratio) })
  if (name === "traceidratio") return new TraceIdRatioBasedSampler(ratio)
  return name === "always_off" ? new AlwaysOffSampler() : new AlwaysOnSampler()
}

/** What OpenTelemetry has names of its own for. */
const CONVENTIONS: Readonly<Record<string, string>> = {
  session: "session.id",
  code: "error.type",
  method: "http.request.method",
  route: "http.route",
  status: "http.response.status_code",
}

function attributesOf(fields: LogFields = {}): Attributes {
  const attributes: Attributes = {}
  for (const [name, value] of Object.entries(fields))
    if (value !== undefined && value !== null) attributes[CONVENTIONS[name] ?? ownName(name)] = value
  return attributes
}

const ownName = (name: string) => `xrx_stt.${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`
