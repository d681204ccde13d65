/**
 * What Deepgram says on a live socket, read once into our own terms. Pure: knows no socket, no stream and no time but
 * Deepgram's own, which counts seconds of audio since its socket opened.
 */
import { z } from "zod"

export type UpstreamMessage =
  | Results
  /** Somebody begins to speak, with or without words. */
  | { readonly kind: "speech_started"; readonly atSeconds: number }
  /** A gap after the last word; `lastWordEndSeconds` is null if Deepgram does not know it. */
  | { readonly kind: "utterance_end"; readonly lastWordEndSeconds: number | null }
  /** The last message before the close that CloseStream asked for. */
  | { readonly kind: "metadata" }
  | { readonly kind: "error"; readonly providerCode: string | undefined }
  /** Well formed and of no use to us. */
  | { readonly kind: "other" }
  | { readonly kind: "unreadable" }

/** Words for [start, end). An interim one is replaced by the next; consecutive final ones tile the time line. */
export interface Results {
  readonly kind: "results"
  readonly startSeconds: number
  readonly endSeconds: number
  /** Trimmed; "" in silence. */
  readonly text: string
  /** From the first word to the last; the whole result where Deepgram lists no words. */
  readonly speech: { readonly startSeconds: number; readonly endSeconds: number }
  readonly words: readonly HeardWord[]
  /** 0 to 1; null where there are no words. */
  readonly confidence: number | null
  readonly language: string | null
  readonly isFinal: boolean
  /** Deepgram heard the end of speech here. */
  readonly speechFinal: boolean
  /** The answer to a Finalize. */
  readonly fromFinalize: boolean
}

/** One word as Deepgram writes it in its text, with its punctuation. */
export interface HeardWord {
  readonly text: string
  readonly startSeconds: number
  readonly endSeconds: number
  readonly confidence: number | null
}

const seconds = z.number().nonnegative()
const confidence = z.number().min(0).max(1).nullable().catch(null)

const wordSchema = z.object({
  start: seconds,
  end: seconds,
  word: z.string().catch(""),
  punctuated_word: z.string().optional().catch(undefined),
  confidence,
})

const resultsSchema = z.object({
  type: z.literal("Results"),
  start: seconds,
  duration: seconds,
  is_final: z.boolean().default(false),
  speech_final: z.boolean().default(false),
  from_finalize: z.boolean().default(false),
  channel: z.object({
    alternatives: z.array(
      z.object({
        transcript: z.string(),
        languages: z.array(z.string()).catch([]),
        confidence,
        words: z.array(wordSchema).catch([]),
      }),
    ),
  }),
})
const speechStartedSchema = z.object({ type: z.literal("SpeechStarted"), timestamp: seconds })
const utteranceEndSchema = z.object({ type: z.literal("UtteranceEnd"), last_word_end: z.number() })
const errorSchema = z.object({ type: z.literal("Error"), variant: z.string().optional().catch(undefined) })
/** Not empty: a Blob has a type too. */
const typedSchema = z.object({ type: z.string().min(1) })

/** `message` is what the SDK hands out: parsed JSON, a string that is no JSON, or a Blob. */
export function readMessage(message: unknown): UpstreamMessage {
  const typed = typedSchema.safeParse(message)
  if (!typed.success) return { kind: "unreadable" }
  switch (typed.data.type) {
    case "Results": {
      const results = resultsSchema.safeParse(message)
      return results.success ? readResults(results.data) : { kind: "unreadable" }
    }
    case "SpeechStarted": {
      const started = speechStartedSchema.safeParse(message)
      return started.success ? { kind: "speech_started", atSeconds: started.data.timestamp } : { kind: "unreadable" }
    }
    case "UtteranceEnd": {
      const end = utteranceEndSchema.safeParse(message)
      if (!end.success) return { kind: "unreadable" }
      return { kind: "utterance_end", lastWordEndSeconds: end.data.last_word_end < 0 ? null : end.data.last_word_end }
    }
    case "Metadata":
      return { kind: "metadata" }
    case "Error":
      return { kind: "error", providerCode: readProviderCode(errorSchema.safeParse(message).data?.variant) }
    default:
      return { kind: "other" }
  }
}

function readResults({ start, duration, channel, ...flags }: z.infer<typeof resultsSchema>): Results {
  const best = channel.alternatives[0]
  const endSeconds = start + duration
  const text = best?.transcript.trim() ?? ""
  return {
    kind: "results",
    startSeconds: start,
    endSeconds,
    text,
    speech: { startSeconds: best?.words[0]?.start ?? start, endSeconds: best?.words.at(-1)?.end ?? endSeconds },
    words: (best?.words ?? []).map(readWord).filter((word) => word.text !== ""),
    confidence: text === "" ? null : (best?.confidence ?? null),
    language: best?.languages[0] ?? null,
    isFinal: flags.is_final,
    speechFinal: flags.speech_final,
    fromFinalize: flags.from_finalize,
  }
}

function readWord({ start, end, word, punctuated_word: punctuated, confidence }: z.infer<typeof wordSchema>): HeardWord {
  return { text: (punctuated ?? word).trim(), startSeconds: start, endSeconds: end, confidence }
}

/** Only a name or number may reach a log, never a sentence of Deepgram's: it could quote what was said. */
export function readProviderCode(text: string | undefined): string | undefined {
  return text?.match(/^[\w-]{1,40}(?![\w-])/)?.[0]
}
