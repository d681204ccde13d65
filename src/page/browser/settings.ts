/** What the person chose, as the socket wants it. Knows no connection. */
import { byId } from "./dom.ts"

export interface PageSettings {
  readonly mode: string
  /** "" for the server's default, "auto" to detect. */
  readonly language: string
  /** Names and words to expect; "" for none. */
  readonly prompt: string
  readonly silenceMs: number
  /** For the socket. */
  readonly query: Readonly<Record<string, string>>
}

/** Whisper's best thirty. */
const LANGUAGES = "ar ca cs da de el en es fi fr he hi hu id it ja ko nl no pl pt ro ru sv ta th tr uk vi zh".split(" ")

const names = new Intl.DisplayNames(["en"], { type: "language" })

export function fillLanguages() {
  const select = byId("language", HTMLSelectElement)
  for (const code of LANGUAGES) select.add(new Option(names.of(code) ?? code, code))
}

/** `language`: what a socket got that named none. */
export function showDefaultLanguage(language: string) {
  const name = language === "auto" ? "detected" : (names.of(language) ?? language)
  byId("default-language", HTMLOptionElement).textContent = `${name} (default)`
}

export function showEngine({ id, owner }: { readonly id: string; readonly owner?: string }) {
  const place = byId("engine", HTMLElement)
  if (owner !== undefined) place.textContent = `${owner}, ${id}`
  // A connection tells less.
  else if (!place.textContent.endsWith(`, ${id}`)) place.textContent = id
}

export function settings(): PageSettings {
  const mode = byId("mode", HTMLSelectElement).value
  const language = byId("language", HTMLSelectElement).value
  const silence = byId("silence", HTMLSelectElement).value
  const prompt = byId("prompt", HTMLInputElement).value.trim()
  const query = {
    interim: mode === "finals" ? "0" : "1",
    vad: mode === "hand" ? "none" : "server",
    silence_ms: silence,
    ...(language !== "" && { language }),
    ...(prompt !== "" && { prompt }),
  }
  return { mode, language, prompt, silenceMs: Number(silence), query }
}
