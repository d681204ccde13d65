/** The events of `/api/v1/ws?mode=events`, as far as the page reads them. Knows no socket and no state. */

export interface WireWord {
  readonly text: string
  readonly start_ms: number
  readonly end_ms: number
  readonly confidence: number | null
}

export interface WireFinal {
  readonly type: "final"
  readonly utt: number
  readonly seg: number
  readonly text: string
  readonly start_ms: number
  readonly end_ms: number
  readonly end: boolean
  readonly language: string | null
  readonly words?: readonly WireWord[]
}

export type WireEvent =
  | { readonly type: "ready"; readonly model: string; readonly config: { readonly language: string } }
  | { readonly type: "speech_start" | "speech_end"; readonly utt: number; readonly at_ms: number }
  | {
      readonly type: "partial"
      readonly utt: number
      readonly seg: number
      readonly text: string
      readonly stable: number
      readonly start_ms: number
      readonly end_ms: number
      readonly lag_ms: number
    }
  | WireFinal
  | { readonly type: "failed"; readonly utt: number; readonly code: string; readonly message: string }
  | { readonly type: "cleared"; readonly utt: number | null }
  | { readonly type: "error"; readonly code: string; readonly message: string; readonly fatal: boolean }
  | { readonly type: "done"; readonly audio_ms: number; readonly utterances: number }

const KNOWN = new Set(["ready", "speech_start", "speech_end", "partial", "final", "failed", "cleared", "error", "done"])

/** Undefined for what we do not know: a newer server may say more. */
export function readEvent(text: string): WireEvent | undefined {
  try {
    const event: unknown = JSON.parse(text)
    const known = typeof event === "object" && event !== null && "type" in event && KNOWN.has(String(event.type))
    return known ? (event as WireEvent) : undefined
  } catch {
    return undefined
  }
}
