/**
 * The names of models that clients have written into their code, beside the server's own. They all mean that one. Pure.
 */
import type { Defaults } from "./door.ts"

const ALIASES = [
  "whisper-1",
  "gpt-4o-transcribe",
  "gpt-4o-mini-transcribe",
  "gpt-transcribe",
  "gpt-live-transcribe",
  "gpt-realtime-whisper",
  "whisper-large-v3",
  "whisper-large-v3-turbo",
  "nova-2",
  "nova-3",
]

/** The server's own first. */
export function modelNames({ model }: Pick<Defaults, "model">): string[] {
  return [...new Set([model, ...ALIASES])]
}

/** Whether a client that names this model is served: unless the operator is strict, everybody is. */
export function isServed(name: string, defaults: Pick<Defaults, "model" | "strictModels">): boolean {
  return !defaults.strictModels || modelNames(defaults).includes(name)
}
