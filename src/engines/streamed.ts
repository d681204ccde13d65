/**
 * An Engine as a Transcriber: a stream for each utterance. For engines that only hear streams, where whole utterances are wanted.
 * Knows no provider.
 */
import type { Segment } from "../speech/transcript.ts"
import { type Engine, EngineError, type Transcriber } from "./engine.ts"

/** Closing it closes the engine. `concurrency`: streams at once. */
export function transcribeByStreams(engine: Engine, concurrency: number): Transcriber {
  let count = 0

  return {
    name: engine.name,
    get model() {
      return engine.model
    },
    concurrency,
    interims: false,
    async transcribe({ samples, language, prompt, words = false }, signal) {
      if (signal.aborted) throw abandoned(engine)
      const session = `utterance ${++count}`
      const stream = engine.open({ language, prompt, words, session, endpointing: null, interims: false })
      const leave = () => stream.close()
      signal.addEventListener("abort", leave)
      try {
        // The stream owns what it is given.
        stream.accept(samples.slice())
        stream.commit()
        stream.finish()
        const segments: Segment[] = []
        const texts: string[] = []
        let heard: string | null = language === "auto" ? null : language
        let whole = false
        for await (const event of stream.events) {
          if (event.type === "failed") throw new EngineError(event.code, event.message, { retryable: true })
          if (event.type !== "final") continue
          whole = event.end
          heard = event.language ?? heard
          if (event.text === "") continue
          texts.push(event.text)
          const { text, startMs, endMs, avgLogprob, noSpeechProb, words } = event
          segments.push({ text, startMs, endMs, avgLogprob, noSpeechProb, compressionRatio: null, temperature: null, tokens: [], words })
        }
        if (signal.aborted) throw abandoned(engine)
        if (!whole) throw new EngineError("unavailable", `${engine.name}: its stream ended early`, { retryable: true })
        return { text: texts.join(" "), language: heard, segments }
      } finally {
        signal.removeEventListener("abort", leave)
        stream.close()
      }
    },
    ready: () => engine.ready(),
    close: () => engine.close(),
  }
}

function abandoned({ name }: Engine): EngineError {
  return new EngineError("aborted", `${name}: given up by the caller`)
}
