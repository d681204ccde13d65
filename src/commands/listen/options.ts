/** What `listen` may be told beside what every command is: each is a wish of a stream, under the name that the wire has for it. */
import { CONFIG_VALUES, type Config } from "../../dialects/config.ts"
import type { Format } from "../transcript-formats.ts"

interface Wish {
  readonly flags: string
  readonly meaning: string
  readonly wish: keyof Config
}

export const LISTEN_WISHES = {
  rate: { flags: "--rate <hz>", meaning: `sample rate: ${CONFIG_VALUES.sample_rate} (default 16000)`, wish: "sample_rate" },
  encoding: { flags: "--encoding <name>", meaning: `of a sample: ${CONFIG_VALUES.encoding} (default pcm_s16le)`, wish: "encoding" },
  channels: { flags: "--channels <count>", meaning: "1 or 2, heard as one (default 1)", wish: "channels" },
  prompt: { flags: "--prompt <text>", meaning: "names and rare words that may come", wish: "prompt" },
  silence: { flags: "--silence <ms>", meaning: "silence that ends an utterance (default 500)", wish: "silence_ms" },
  words: { flags: "--words", meaning: "the times of words, in json", wish: "words" },
  interim: { flags: "--interim", meaning: "the words so far, in json", wish: "interim" },
} as const satisfies Readonly<Record<string, Wish>>

export type ListenWish = keyof typeof LISTEN_WISHES

export type RawListenOptions = { readonly [Name in ListenWish]?: string | boolean } & {
  readonly format: Format
  readonly url?: string
  readonly language?: string
}

/** By the names of the wire, as text or truth, not looked at yet. */
export function wishesOf(raw: RawListenOptions): Record<string, string | boolean> {
  const wishes: Record<string, string | boolean> = {}
  for (const [name, { wish }] of Object.entries(LISTEN_WISHES)) {
    const said = raw[name as ListenWish]
    if (said !== undefined) wishes[wish] = said
  }
  return wishes
}
