/** A load of speakers of all kinds, and how much of it a server keeps up with. Knows no chaos and no plot. */
import { randomFrom } from "../support/random.ts"
import type { KnownClip } from "./clips.ts"
import { type Ledger, openLedger } from "./ledger.ts"
import { type SpeakerOptions, speakCommits, speakLive, speakUtterances } from "./speakers.ts"

export interface LoadOptions {
  readonly url: URL
  readonly clips: readonly KnownClip[]
  readonly seed: number
  readonly ledger?: Ledger
  /** Speakers of whole utterances, half of them by commits. */
  readonly clients: number
  readonly talkers: number
  /** Seconds of speech in a second that the speakers of whole utterances say together; undefined: as fast as answers come. */
  readonly speechPerSecond?: number
}

export interface Load {
  readonly ledger: Ledger
  /** Everybody stops, and gets what he is owed. */
  stop(): Promise<void>
}

export function startLoad(options: LoadOptions): Load {
  const { url, clips, seed, clients, talkers, speechPerSecond, ledger = openLedger() } = options
  const over = new AbortController()
  const { signal } = over
  const speaker = (name: string, index: number): SpeakerOptions => {
    const random = randomFrom(seed * 1000 + index)
    const pauseMs = (seconds: number) => {
      // Between half and one and a half times what is due: no two speakers keep in step.
      return speechPerSecond === undefined ? 0 : ((seconds * 1000 * clients) / speechPerSecond) * (0.5 + random())
    }
    return { name: `${name} ${index}`, url, clips, random, ledger, signal, pauseMs }
  }
  const speaking = [
    ...Array.from({ length: clients }, (_, index) =>
      index % 2 === 0 ? speakUtterances(speaker("speaker", index)) : speakCommits(speaker("committer", index)),
    ),
    ...Array.from({ length: talkers }, (_, index) => speakLive(speaker("talker", clients + index))),
  ]
  return {
    ledger,
    async stop() {
      over.abort()
      await Promise.all(speaking)
    },
  }
}

/** Seconds of speech in a second that this many speakers get answered when nobody pauses. */
export async function measureSpeed(options: Omit<LoadOptions, "speechPerSecond">, seconds: number): Promise<number> {
  const meanSeconds = options.clips.reduce((total, clip) => total + clip.seconds, 0) / options.clips.length
  const load = startLoad({ ...options, ledger: openLedger() })
  const startedAtMs = performance.now()
  await Bun.sleep(seconds * 1000)
  await load.stop()
  const answered = load.ledger.latenciesMs.length
  return (answered * meanSeconds * 1000) / (performance.now() - startedAtMs)
}
