/**
 * A local OpenTelemetry collector: real HTTP on a free port, that reads what is posted to it as OTLP over protobuf. The numbers of the
 * fields are those of opentelemetry-proto (trace/v1/trace.proto, common/v1/common.proto, resource/v1/resource.proto).
 */
export type Value = string | number | boolean | undefined

export interface SpanOnTheWire {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  /** "" for the first of a trace. */
  readonly parentId: string
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number
  readonly startMs: number
  readonly endMs: number
  readonly fields: Readonly<Record<string, Value>>
  readonly events: readonly string[]
  /** Ids of spans. */
  readonly links: readonly string[]
  /** Whether its status is an error. */
  readonly failed: boolean
  readonly resource: Readonly<Record<string, Value>>
}

export interface Posted {
  readonly path: string
  readonly headers: Headers
  readonly body: Uint8Array
}

export interface Collector {
  readonly url: string
  readonly host: string
  readonly spans: readonly SpanOnTheWire[]
  readonly posted: readonly Posted[]
  /** Resolves with the spans that `fits`, once there are so many, whether they came before or after the call. */
  seen(fits: (span: SpanOnTheWire) => boolean, count?: number): Promise<SpanOnTheWire[]>
  /** Resolves when so many requests came. */
  requests(count: number): Promise<void>
  stop(): Promise<void>
}

/** What it does not answer with 200 it did not take. */
export function startCollector(
  answer: (posted: Posted, index: number) => Response | Promise<Response> = taken,
  tls?: { readonly cert: string; readonly key: string },
): Collector {
  const spans: SpanOnTheWire[] = []
  const posted: Posted[] = []
  const waiters = new Set<() => void>()
  const wakeAll = () => {
    for (const wake of [...waiters]) wake()
  }
  const until = (isSo: () => boolean) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (!isSo()) return void waiters.add(check)
        waiters.delete(check)
        resolve()
      }
      check()
    })
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    ...(tls && { tls }),
    idleTimeout: 0,
    async fetch(request) {
      const bytes = await request.bytes()
      const body = request.headers.get("content-encoding") === "gzip" ? Bun.gunzipSync(new Uint8Array(bytes)) : bytes
      const one = { path: new URL(request.url).pathname, headers: request.headers, body }
      posted.push(one)
      wakeAll()
      const response = await answer(one, posted.length - 1)
      if (response.ok) spans.push(...spansOf(body))
      wakeAll()
      return response
    },
  })
  const host = `127.0.0.1:${server.port}`
  return {
    url: `${tls ? "https" : "http"}://${host}`,
    host,
    spans,
    posted,
    async seen(fits, count = 1) {
      await until(() => spans.filter(fits).length >= count)
      return spans.filter(fits)
    },
    requests: (count) => until(() => posted.length >= count),
    stop: () => server.stop(true),
  }
}

function taken(): Response {
  return new Response(new Uint8Array(), { headers: { "content-type": "application/x-protobuf" } })
}

type Field = bigint | Uint8Array
type Message = ReadonlyMap<number, readonly Field[]>

/** Any message: the values of each field by its number. */
function read(bytes: Uint8Array): Message {
  const fields = new Map<number, Field[]>()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = view.getUint8(at++)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const taken = (length: number) => {
    at += length
    return at - length
  }
  const value = (wireType: number): Field => {
    if (wireType === 0) return varint()
    if (wireType === 1) return view.getBigUint64(taken(8), true)
    if (wireType === 5) return BigInt(view.getUint32(taken(4), true))
    const from = taken(Number(varint()))
    return bytes.subarray(from, at)
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value(tag & 7)])
  }
  return fields
}

const all = (message: Message, field: number) => (message.get(field) ?? []).map((value) => read(value as Uint8Array))
const text = (message: Message, field: number) => new TextDecoder().decode(message.get(field)?.[0] as Uint8Array | undefined)
const hex = (message: Message, field: number) => Buffer.from((message.get(field)?.[0] ?? new Uint8Array()) as Uint8Array).toString("hex")
const number = (message: Message, field: number) => Number(message.get(field)?.[0] ?? 0)

function spansOf(body: Uint8Array): SpanOnTheWire[] {
  return all(read(body), 1).flatMap((ofResource) => {
    const resource = Object.assign({}, ...all(ofResource, 1).map((message) => fieldsOf(message, 1)))
    return all(ofResource, 2).flatMap((ofScope) => all(ofScope, 2).map((span) => spanOf(span, resource)))
  })
}

function spanOf(span: Message, resource: SpanOnTheWire["resource"]): SpanOnTheWire {
  return {
    name: text(span, 5),
    traceId: hex(span, 1),
    spanId: hex(span, 2),
    parentId: hex(span, 4),
    kind: number(span, 6),
    startMs: number(span, 7) / 1e6,
    endMs: number(span, 8) / 1e6,
    fields: fieldsOf(span, 9),
    events: all(span, 11).map((event) => text(event, 2)),
    links: all(span, 13).map((link) => hex(link, 2)),
    failed: all(span, 15).some((status) => number(status, 3) === 2),
    resource,
  }
}

function fieldsOf(message: Message, field: number): Record<string, Value> {
  return Object.fromEntries(all(message, field).map((pair) => [text(pair, 1), anyValue(all(pair, 2)[0])]))
}

function anyValue(value: Message | undefined): Value {
  if (value?.has(1)) return text(value, 1)
  if (value?.has(2)) return number(value, 2) === 1
  if (value?.has(3)) return number(value, 3)
  const bits = value?.get(4)?.[0]
  return typeof bits === "bigint" ? new Float64Array(new BigUint64Array([bits]).buffer)[0] : undefined
}
