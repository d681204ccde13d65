import { EngineError } from "../../src/engines/engine.ts"
import type { PieceToRecognise, Recognised, Recogniser } from "../../src/engines/whisper/recogniser.ts"

export function piece(samples: Int16Array, told: Partial<PieceToRecognise> = {}): PieceToRecognise {
  return { samples, language: "en", prompt: "", words: false, draft: null, signal: new AbortController().signal, ...told }
}

/** The answer to a piece on its own. */
export async function recognise(recogniser: Recogniser, samples: Int16Array, told: Partial<PieceToRecognise> = {}): Promise<Recognised> {
  const [answer] = await answers(recogniser, [piece(samples, told)])
  if (answer === undefined || answer instanceof EngineError) throw answer ?? new Error("no answer")
  return answer
}

/** The answers to several pieces, in the order of the pieces. Throws if one is answered twice. */
export async function answers(recogniser: Recogniser, pieces: readonly PieceToRecognise[]): Promise<(Recognised | EngineError)[]> {
  const told: (Recognised | EngineError)[] = []
  await recogniser.recognise(pieces, (index, answer) => {
    if (told[index] !== undefined) throw new Error(`two answers to piece ${index}`)
    told[index] = answer
  })
  return told
}
