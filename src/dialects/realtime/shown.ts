/**
 * A session as its client reads it: in the words of today's wire (GA), or of the older one (beta). Pure.
 */
import type { z } from "zod"
import { type Session, timesOf, turnDetectionOf } from "./settings.ts"
import type { BetaSession, RealtimeSession } from "./shapes.ts"

/** What both wires say of a session. */
export interface Shown {
  readonly id: string
  /** Unix time in seconds. */
  readonly expiresAt: number
  /** Of a client that names none. */
  readonly model: string
}

export function showGa(session: Session, { id, expiresAt, model }: Shown): z.output<typeof RealtimeSession> {
  const { format, transcription, noiseReduction } = session
  return {
    type: "transcription",
    object: "realtime.transcription_session",
    id,
    expires_at: expiresAt,
    include: null,
    audio: {
      input: {
        format,
        transcription: transcription && { ...transcription, model: transcription.model ?? model },
        noise_reduction: noiseReduction,
        turn_detection: showTurnDetection(session),
      },
    },
  }
}

export function showBeta(session: Session, { id, expiresAt, model }: Shown): z.output<typeof BetaSession> {
  const { format, transcription, noiseReduction } = session
  const { language, prompt } = transcription ?? {}
  return {
    id,
    object: "realtime.transcription_session",
    expires_at: expiresAt,
    input_audio_format: format.type === "audio/pcm" ? "pcm16" : format.type === "audio/pcmu" ? "g711_ulaw" : "g711_alaw",
    input_audio_transcription: transcription && { model: transcription.model ?? model, language: language ?? null, prompt: prompt ?? "" },
    turn_detection: showTurnDetection(session),
    input_audio_noise_reduction: noiseReduction,
    include: null,
    client_secret: null,
  }
}

function showTurnDetection(session: Session) {
  const turnDetection = turnDetectionOf(session)
  if (turnDetection?.type === "semantic_vad") return { type: turnDetection.type, eagerness: turnDetection.eagerness ?? "auto" }
  return turnDetection && { type: turnDetection.type, ...timesOf(turnDetection) }
}
