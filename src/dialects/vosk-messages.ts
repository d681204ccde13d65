/**
 * The JSON texts of Vosk's wire in both directions, field by field with their meaning. Pure. What is none of a client's asks for
 * nothing.
 */
import { z } from "zod"
import { SAMPLE_RATES_HZ } from "../audio/input.ts"

/** What Vosk takes where nobody says it. */
export const SAMPLE_RATE_HZ = 8_000

/** What of a client's we understand. As loosely typed as with Vosk itself: a client whose rate went unheard would get words made of noise. */
const Message = z.looseObject({
  config: z
    .looseObject({
      sample_rate: z.unknown().meta({
        type: "number",
        description: `in Hz: ${SAMPLE_RATES_HZ.join(", ")}; before the first audio. Default ${SAMPLE_RATE_HZ}`,
      }),
      words: z.unknown().meta({ type: "boolean", description: "whether `result` is told; true unless it is said" }),
      max_alternatives: z.unknown().meta({ type: "number", description: "above 0: answers as `alternatives`, of which there is one" }),
      phrase_list: z.unknown().meta({
        type: "array",
        items: { type: "string" },
        description: "names and rare words that may come: a hint",
      }),
    })
    .partial()
    .optional(),
  eof: z.unknown().optional().describe("whatever it is: ends the stream; the last answer follows, then the close"),
  reset: z.unknown().optional().describe("whatever it is: ends the utterance now"),
})

export type VoskMessage = z.output<typeof Message>

/** Each message for itself. */
export const VOSK_MESSAGES = {
  config: Message.pick({ config: true }).required().describe("how the audio is to be heard"),
  eof: Message.pick({ eof: true }).required().describe("no more audio will come"),
  reset: Message.pick({ reset: true }).required().describe("ends the utterance now"),
}

export const VoskWord = z.object({
  conf: z.number().min(0).max(1),
  end: z.number().min(0).describe("in seconds"),
  start: z.number().min(0).describe("in seconds"),
  word: z.string(),
})
const result = z.array(VoskWord).optional()

/** What each audio message may be answered by. */
export const VOSK_ANSWERS = {
  partial: z.object({ partial: z.string() }).describe("the words so far of the utterance that is being spoken"),
  final: z.object({ result, text: z.string() }).describe("the words of an utterance that has ended"),
  alternatives: z
    .object({ alternatives: z.array(z.object({ confidence: z.number().min(0).max(1), result, text: z.string() })) })
    .describe("the same for a client that set `max_alternatives`"),
}

export type VoskAnswer = z.output<(typeof VOSK_ANSWERS)[keyof typeof VOSK_ANSWERS]>

/** Undefined if it is none. */
export function readMessage(text: string): VoskMessage | undefined {
  try {
    return Message.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
