/**
 * What the client wants of Deepgram, and when a change of it comes into force: at the first place at or behind the change
 * where no utterance is open. Pure.
 */
import type { Language, StreamChanges, StreamOptions } from "../engine.ts"

/** What a socket is dialled with: a change of it needs another socket. */
export interface Asked {
  readonly language: Language
  readonly prompt: string | undefined
  /** Silence that ends an utterance; null if Deepgram is not to end any. */
  readonly silenceMs: number | null
}

export interface Wanted {
  /** In force now. The same object as long as nothing of it changed. */
  readonly asked: Asked
  /** An utterance that grows longer is ended. Changes at once. */
  readonly maxMs: number
  /** Where the next change of what is asked was wanted; null if none waits. */
  readonly changesAt: number | null
  /** From the place `at` on. */
  change(at: number, changes: StreamChanges): void
  /** No utterance is open at the place `at`. */
  advance(at: number): void
}

export function createWanted({ language, prompt, endpointing }: Pick<StreamOptions, "language" | "prompt" | "endpointing">): Wanted {
  const waiting: { readonly at: number; readonly asked: Asked }[] = []
  let asked: Asked = { language, prompt, silenceMs: endpointing?.silenceMs ?? null }
  let latest = asked
  let maxMs = endpointing?.maxMs ?? Number.POSITIVE_INFINITY

  return {
    get asked() {
      return asked
    },
    get maxMs() {
      return maxMs
    },
    get changesAt() {
      return waiting[0]?.at ?? null
    },
    change(at, changes) {
      if (endpointing) maxMs = changes.endpointing?.maxMs ?? maxMs
      const next = changed(latest, changes)
      if (next === latest) return
      latest = next
      if (waiting.at(-1)?.at === at) waiting.pop()
      waiting.push({ at, asked: next })
    },
    advance(at) {
      const later = waiting.findIndex((change) => change.at > at)
      const due = waiting.splice(0, later < 0 ? waiting.length : later)
      asked = sameOr(asked, due.at(-1)?.asked ?? asked)
    },
  }
}

/** Deepgram's ear has neither a threshold nor a pre-roll: those changes change nothing here. */
function changed(asked: Asked, { language, prompt, endpointing }: StreamChanges): Asked {
  const next = {
    language: language ?? asked.language,
    prompt: (prompt ?? asked.prompt) || undefined,
    silenceMs: asked.silenceMs === null ? null : (endpointing?.silenceMs ?? asked.silenceMs),
  }
  return sameOr(asked, next)
}

function sameOr(asked: Asked, next: Asked): Asked {
  const same = next.language === asked.language && next.prompt === asked.prompt && next.silenceMs === asked.silenceMs
  return same ? asked : next
}
