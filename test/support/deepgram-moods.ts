/** A Deepgram that understands audio made for it, and does with it what it likes. */
import type { Call } from "./deepgram-upstream.ts"

const WORD_SAMPLES = 1_600

/** Audio in which every tenth of a second is the number of a word. */
export function spokenNumbers(from: number, to: number): Int16Array {
  return Int16Array.from({ length: (to - from) * WORD_SAMPLES }, (_, i) => from + Math.floor(i / WORD_SAMPLES))
}

/** A Deepgram with moods: understands the numbers, cuts its finals anywhere, forgets Finalizes, and drops when it likes. */
export function understandMoodily(call: Call, random: () => number) {
  let heard = 0
  function tell(to: number, options: { fromFinalize?: boolean; speechFinal?: boolean; final?: boolean }) {
    const numbers = call.audio().subarray(heard, to)
    const text = Array.from({ length: numbers.length / WORD_SAMPLES }, (_, i) => `w${numbers[i * WORD_SAMPLES]}`).join(" ")
    call.results(text, { start: heard / 16_000, end: to / 16_000, ...options })
    if (options.final !== false) heard = to
  }
  call.onWire = () => {
    const said = call.wire.at(-1)
    const whole = Math.floor(call.audio().length / WORD_SAMPLES) * WORD_SAMPLES
    if (random() < 0.1) call.speechStarted((heard + random() * (call.audio().length - heard)) / 16_000)
    if (random() < 0.05) call.utteranceEnd(random() < 0.3 ? -1 : (heard / 16_000) * random())
    if (random() < 0.05) call.drop()
    else if (said === "Finalize") random() < 0.9 && tell(whole, { fromFinalize: true, speechFinal: random() < 0.5 })
    else if (said === "CloseStream") {
      tell(whole, {})
      call.metadata()
      call.close(1000)
    } else if (random() < 0.3) tell(whole, { final: false })
    else if (random() < 0.5)
      tell(heard + Math.floor((random() * (whole - heard)) / WORD_SAMPLES) * WORD_SAMPLES, { speechFinal: random() < 0.3 })
    if (random() < 0.02) call.close(1011)
  }
}
