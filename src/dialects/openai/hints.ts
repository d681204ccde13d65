/**
 * What OpenAI's clients tell of the speech beforehand, over either of its wires: one language or several, a prompt, and words that
 * may come. Pure. Knows no wire.
 */
import { PROMPT_CHARACTERS_MAX } from "../config.ts"

/** Undefined where nothing is said. One language is heard as such, of several the engine finds out. Clients say "" where it is to be detected. */
export function languageOf(language: string | null | undefined, languages: readonly string[] | null | undefined): string | undefined {
  const [only, ...others] = languages ?? []
  const said = language ?? (others.length > 0 ? "auto" : only)
  return said === "" ? "auto" : (said ?? undefined)
}

/** "" where nothing is said. Of more than an engine hears the end counts: it is nearest to what is said now. */
export function promptOf(prompt: string | null | undefined, keywords: readonly string[] | null | undefined): string {
  return [prompt ?? "", (keywords ?? []).join(", ")].filter(Boolean).join(" ").slice(-PROMPT_CHARACTERS_MAX)
}
