/**
 * A local Groq: real HTTP on a free port, answers as a test scripts them. Bodies are hand-written after Groq's API reference
 * (verbose_json, error objects), not recorded.
 */
import { samplesFromBytes } from "../../src/audio/pcm.ts"

export interface Asked {
  readonly path: string
  readonly headers: Headers
  /** Name and value of each field in the order of the wire; a file is named by its file name and type. */
  readonly fields: readonly (readonly [string, string])[]
  readonly wav: Uint8Array
  /** Behind the header of 44 bytes. */
  readonly samples: Int16Array
  /** Resolves when the caller hung up before the answer was out. */
  readonly hungUp: Promise<void>
}

export interface GroqUpstream {
  readonly url: string
  readonly asked: readonly Asked[]
  /** Resolves with the nth question, from 1, come or to come. */
  question(count: number): Promise<Asked>
  stop(): Promise<void>
}

/** `answer` gets the question and how many came before it. */
export function startGroqUpstream(answer: (asked: Asked, index: number) => Response | Promise<Response>): GroqUpstream {
  const asked: Asked[] = []
  let waiters: (() => void)[] = []

  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const body = await request.bytes()
      const form = await new Response(body, { headers: { "content-type": request.headers.get("content-type") ?? "" } }).formData()
      const file = form.get("file") as File
      const wav = new Uint8Array(await file.arrayBuffer())
      const one: Asked = {
        path: new URL(request.url).pathname,
        headers: request.headers,
        fields: [...form].map(([name, value]) => [name, typeof value === "string" ? value : fileOnTheWire(body)]),
        wav,
        samples: samplesFromBytes(wav.subarray(44)),
        hungUp: new Promise((resolve) => request.signal.addEventListener("abort", () => resolve())),
      }
      asked.push(one)
      for (const wake of waiters.splice(0)) wake()
      return answer(one, asked.length - 1)
    },
  })
  return {
    url: `http://127.0.0.1:${server.port}`,
    asked,
    async question(count) {
      while (asked.length < count) await new Promise<void>((resolve) => waiters.push(resolve))
      return asked[count - 1]!
    },
    async stop() {
      waiters = []
      await server.stop(true)
    },
  }
}

/** File name and type as they were sent: Bun's own reading calls every ".wav" audio/x-wav. */
function fileOnTheWire(body: Uint8Array): string {
  const [, name, type] = /filename="([^"]*)"\r\nContent-Type: ([^\r]*)\r\n/.exec(Buffer.from(body).toString("latin1")) ?? []
  return `${name} ${type}`
}

/** Takes whole requests off the wire and answers with raw bytes: for HTTP that no server would send. */
export function startRawUpstream(answer: (socket: { write(text: string): void; reset(): void; end(): void }, index: number) => void) {
  let count = 0
  const listener = Bun.listen<{ received: string }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        socket.data = { received: "" }
      },
      data(socket, bytes) {
        socket.data.received += Buffer.from(bytes).toString("latin1")
        const [head = "", body] = socket.data.received.split("\r\n\r\n", 2)
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1])
        if (body === undefined || socket.data.received.length - head.length - 4 < length) return
        socket.data.received = ""
        answer({ write: (text) => void socket.write(text), reset: () => socket.terminate(), end: () => void socket.end() }, count++)
      },
    },
  })
  return { url: `http://127.0.0.1:${listener.port}`, asked: () => count, stop: () => listener.stop(true) }
}

export interface SegmentOnTheWire {
  readonly text: string
  readonly start?: number
  readonly end?: number
  readonly avg_logprob?: number
  readonly no_speech_prob?: number
  readonly compression_ratio?: number
  readonly temperature?: number
  readonly tokens?: readonly number[]
}

/** A verbose_json body. */
export function verbose(text: string, segments?: readonly SegmentOnTheWire[], more: Record<string, unknown> = {}) {
  return { task: "transcribe", language: "English", duration: 1, text, ...(segments && { segments }), x_groq: { id: "req_1" }, ...more }
}

/** An error body. */
export function refusal(status: number, error: Record<string, unknown>, headers: Record<string, string> = {}): Response {
  return Response.json({ error }, { status, headers })
}

/** Says something about any sound, and only it; to silence it answers as Whisper does, with thanks it does not trust. */
export function hearing({ samples }: Asked): Response {
  const seconds = samples.length / 16_000
  if (samples.every((sample) => Math.abs(sample) < 100)) {
    return Response.json(verbose(" Thank you.", [{ text: " Thank you.", start: 0, end: seconds, avg_logprob: -1.2, no_speech_prob: 0.95 }]))
  }
  const words = [` words ${Bun.hash(samples)}`, ` of ${samples.length} samples.`]
  const segments = words.map((text, index) => {
    return { text, start: (seconds * index) / 2, end: (seconds * (index + 1)) / 2, avg_logprob: -0.2, no_speech_prob: 0.01 }
  })
  return Response.json(verbose(words.join(""), segments))
}
