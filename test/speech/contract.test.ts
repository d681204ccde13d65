/** The lift itself, over a transcriber that reads words off levels, keeps the contract of engines. */
import { joinSamples } from "../../src/audio/pcm.ts"
import { realClock } from "../../src/clock.ts"
import { silentLog } from "../../src/log.ts"
import { createPermits } from "../../src/permits.ts"
import { liftTranscriber } from "../../src/speech/utterances.ts"
import { keepsTheContract } from "../engines/contract.ts"
import { energyVad } from "../support/energy-vad.ts"
import { randomFrom } from "../support/random.ts"
import { spokenTranscriber, wordSound } from "../support/spoken.ts"

keepsTheContract("a lifted transcriber", async () => {
  const transcriber = spokenTranscriber({ clock: realClock, random: randomFrom(1), answerMs: 5 })
  const permits = createPermits({ atOnce: 2, waitingMax: 8 })
  const engine = liftTranscriber(transcriber, { permits, vad: energyVad(), log: silentLog })
  const speech = joinSamples([1, 2, 3].flatMap((word) => [wordSound(word, 5000), new Int16Array(2000)]))
  return { engine, speech, hearsEnds: true, dialled: () => transcriber.asked.length, stop: async () => {} }
})
