/**
 * What to copy to try each part of the interface: for curl, JavaScript (Node 22 and later, Bun, Deno) and Python. Each hears the
 * recording `talk.wav`, which bare samples need with 16 kHz, one channel and 16 bits. The tests run them as they stand here.
 */
import type { Sample } from "./documents.ts"

/** Where the programs ask. The page puts its own address there. */
export const HTTP = "http://localhost:8000"
export const WS = "ws://localhost:8000"

interface Sources {
  readonly curl?: string
  readonly js?: string
  readonly python?: string
}

/** In the order in which they are shown. */
export function samples({ curl, js, python }: Sources): readonly Sample[] {
  const all = [
    { lang: "Shell", label: "curl", source: curl },
    { lang: "JavaScript", label: "JavaScript", source: js },
    { lang: "Python", label: "Python", source: python },
  ] as const
  return all.flatMap(({ source, ...sample }) => (source === undefined ? [] : [{ ...sample, source: `${source.trim()}\n` }]))
}
