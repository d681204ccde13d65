/** Languages by their English names, as OpenAI's and Groq's answers write them ("english", "German"). */

/** Whisper's names that are not those of the Unicode tables. */
const OTHER_NAMES = { bengali: "bn", cantonese: "yue", hawaiian: "haw", myanmar: "my", nynorsk: "nn" }

let codes: ReadonlyMap<string, string> | undefined

/** The code of a language, ISO 639-1 where it has one; a code stays as it is; null for a name nobody knows. */
export function languageCode(name: string): string | null {
  const wanted = plain(name)
  if (/^[a-z]{2,3}$/.test(wanted)) return wanted
  codes ??= new Map([...namesOfTwoLetterCodes(), ...Object.entries(OTHER_NAMES)])
  return codes.get(wanted) ?? null
}

/** The English name of a language in lower case, as Whisper's own answers have it; a code nobody knows stays as it is. */
export function languageName(code: string): string {
  const [other] = Object.entries(OTHER_NAMES).find(([, known]) => known === code) ?? []
  return other ?? plain(namesInEnglish().of(code) ?? code)
}

function namesInEnglish(): Intl.DisplayNames {
  return new Intl.DisplayNames("en", { type: "language", fallback: "none" })
}

function* namesOfTwoLetterCodes(): Generator<[string, string]> {
  const names = namesInEnglish()
  const letters = "abcdefghijklmnopqrstuvwxyz"
  for (const first of letters) {
    for (const second of letters) {
      const code = first + second
      const name = names.of(code)
      // Withdrawn codes (`iw`) have the name of their successor.
      if (name !== undefined && Intl.getCanonicalLocales(code)[0] === code) yield [plain(name), code]
    }
  }
}

/** Lower case, without accents: the tables write "Māori". */
function plain(name: string): string {
  return name.normalize("NFD").replace(/\p{M}/gu, "").trim().toLowerCase()
}
