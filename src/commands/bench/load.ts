/**
 * The load: clients that each send one utterance, wait for its words and take the next one from the common queue. One client
 * and eight do the same work, so their figures compare. Knows sockets only by `client.ts`.
 */
import { type Client, type ClientOptions, openBystander, openClient } from "./client.ts"
import { type Clip, distinctSamples } from "./clips.ts"
import type { Reply, Run } from "./figures.ts"

export interface LoadOptions extends ClientOptions {
  /** The queue. */
  readonly clips: readonly Clip[]
  readonly clients: number
  /** A number that no other utterance of this bench had. */
  readonly nextTurn: () => number
  /** Called after each utterance, answered or not. */
  readonly onDone?: (clip: Clip) => void
}

/** A server that leaves so many utterances in a row without words is given up: each costs the whole time-out. */
const UNANSWERED_IN_A_ROW_MAX = 3

/** Rejects if the server lets nobody in, or answers no more. */
export async function runLoad(options: LoadOptions): Promise<Run & { readonly unansweredClips: readonly Clip[] }> {
  const over = new AbortController()
  const signal = AbortSignal.any([options.signal, over.signal])
  const replies: Reply[] = []
  const unansweredClips: Clip[] = []
  const queue = options.clips.values()
  let inARow = 0
  let lastReplyAtMs = 0

  function note(clip: Clip, latencyMs: number | undefined) {
    if (latencyMs === undefined) {
      unansweredClips.push(clip)
      if (++inARow === UNANSWERED_IN_A_ROW_MAX) {
        throw new Error(`${options.url}: ${inARow} utterances in a row got no words within ${options.timeoutMs} ms`)
      }
    } else {
      inARow = 0
      lastReplyAtMs = performance.now()
      replies.push({ audioSeconds: clip.seconds, latencyMs })
    }
    options.onDone?.(clip)
  }

  async function work(first: Client) {
    let client = first
    try {
      for (const clip of queue) {
        const latencyMs = await client.ask(new Uint8Array(distinctSamples(clip, options.nextTurn()).buffer))
        if (signal.aborted) return
        note(clip, latencyMs)
        if (latencyMs !== undefined) continue
        // Late words must not be taken for those of the next utterance.
        client.close()
        client = await openClient({ ...options, signal })
      }
    } finally {
      client.close()
    }
  }

  const bystander = await openBystander({ ...options, signal })
  let pingsMs: number[]
  let startedAtMs: number
  try {
    const opened = await Promise.all(Array.from({ length: options.clients }, () => openClient({ ...options, signal })))
    startedAtMs = performance.now()
    await Promise.all(opened.map(work))
  } catch (error) {
    over.abort()
    throw error
  } finally {
    pingsMs = await bystander.stop()
  }
  options.signal.throwIfAborted()
  const wallSeconds = Math.max(0, lastReplyAtMs - startedAtMs) / 1000
  return { clients: options.clients, replies, wallSeconds, unanswered: unansweredClips.length, pingsMs, unansweredClips }
}
