/** What the person chose, as the socket wants it. Knows no connection. */
import { byId } from "./dom.ts"

export interface PageSettings {
  readonly mode: string
  /** "" for the server's default, "auto" to detect. */
  readonly language: string
  readonly silenceMs: number
  readonly key: string
  readonly query: Readonly<Record<string, string>>
}

/** Whisper's best thirty. */
const LANGUAGES = "ar ca cs da de el en es fi fr he hi hu id it ja ko nl no pl pt ro ru sv ta th tr uk vi zh".split(" ")

export function fillLanguages() {
  const select = byId("language", HTMLSelectElement)
  const names = new Intl.DisplayNames(["en"], { type: "language" })
  for (const code of LANGUAGES) select.add(new Option(names.of(code) ?? code, code))
}

export function settings(): PageSettings {
  const mode = byId("mode", HTMLSelectElement).value
  const language = byId("language", HTMLSelectElement).value
  const silence = byId("silence", HTMLSelectElement).value
  const query = {
    interim: mode === "finals" ? "0" : "1",
    vad: mode === "hand" ? "none" : "server",
    silence_ms: silence,
    ...(language !== "" && { language }),
  }
  return { mode, language, silenceMs: Number(silence), key: byId("key", HTMLInputElement).value.trim(), query }
}
