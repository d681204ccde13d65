/**
 * Deepgram's live transcription as an Engine. It hears a continuous stream and ends utterances by itself; one socket per
 * stream, opened with the first audio and closed when idle, so that nothing of one client can reach another.
 *
 * The rooms behind it: `stream` (one client, tied together), `owed` and `utterances` (what the client is to be told), `line`,
 * `link` and `upstream` (its socket: dialled again, remembered, fenced), `sending` and `hearing` (what goes over it), `messages`,
 * `query` and `failures` (Deepgram's words in our terms), and the pure parts.
 */
import { DeepgramClient } from "@deepgram/sdk"
import { type Clock, realClock } from "../clock.ts"
import type { Log } from "../log.ts"
import { MODEL, queryOf } from "./deepgram/query.ts"
import { ENGINE, openStream } from "./deepgram/stream.ts"
import { DEFAULT_TIMINGS, type Timings } from "./deepgram/timings.ts"
import { dial } from "./deepgram/upstream.ts"
import type { Engine, Stream } from "./engine.ts"

export interface DeepgramOptions {
  readonly apiKey: string
  /** `ws:`, `wss:`, `http:` or `https:`, without a path of its own meaning. Default: Deepgram's cloud. */
  readonly baseUrl?: string | undefined
  readonly clock?: Clock
  readonly log: Log
  readonly timings?: Partial<Timings>
  /** False: somebody else counts and logs how utterances end. Default true. */
  readonly counts?: boolean
}

/**
 * Of endpointing Deepgram knows `silenceMs`, and we `maxMs`; it has no threshold and no pre-roll. Of a prompt it is told the
 * names. A change of language, prompt or silence comes into force where no utterance is open, on a new socket.
 *
 * Language `auto` becomes Deepgram's `multi`, which with this model means English and Spanish: live streams know no
 * detection. The key is checked by the first dial only, because a dial is a stream and streams are billed.
 */
export function createDeepgram({ apiKey, baseUrl, clock = realClock, log, timings: chosen, counts = true }: DeepgramOptions): Engine {
  if (apiKey === "") throw new TypeError("expected apiKey to be Deepgram's key, got an empty string")
  if (baseUrl !== undefined && !/^(ws|http)s?:$/.test(new URL(baseUrl).protocol)) {
    throw new TypeError(`expected baseUrl to begin with ws:, wss:, http: or https:, got ${new URL(baseUrl).protocol}`)
  }
  const timings = { ...DEFAULT_TIMINGS, ...chosen }
  const client = new DeepgramClient({ apiKey, ...(baseUrl !== undefined && { baseUrl }) })
  const streams = new Set<Stream>()
  let closed = false

  return {
    name: ENGINE,
    model: MODEL,
    open(options) {
      const stream = openStream({
        options,
        dial: (asked, listener) => dial({ client, query: queryOf(asked), clock, timings }, listener),
        clock,
        timings,
        counts,
        log,
        onOver: () => streams.delete(stream),
      })
      streams.add(stream)
      if (closed) stream.close()
      return stream
    },
    ready: async () => {},
    async close() {
      closed = true
      for (const stream of [...streams]) stream.close()
    },
  }
}
