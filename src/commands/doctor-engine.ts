/** The checks of `doctor` that do the real thing: one engine process, the chosen model, a recording of four words; one voice activity process. */
import { openDetector, openProvider } from "../engines/index.ts"
import { silentLog } from "../log.ts"
import type { Finding } from "./doctor-checks.ts"
import { isKnownClip, KNOWN_CLIP_LANGUAGE, readKnownClip } from "./known-clip.ts"
import type { Program } from "./program.ts"
import { showDownload } from "./progress.ts"
import { reasonOf } from "./reason.ts"

export async function checkEngine(program: Omit<Program, "log">): Promise<Finding[]> {
  const { settings, stop } = program
  if (settings.STT_PROVIDER !== "whisper") return []
  const download = showDownload({ ...program, log: silentLog })
  const startedAt = performance.now()
  const vad = openDetector({ ...program, log: silentLog })
  // Another engine's words would prove nothing.
  const alone = { ...settings, STT_FALLBACK: undefined }
  const provider = await openProvider({ ...program, settings: alone, engines: 1, vad, onDownload: download.onProgress, log: silentLog })
  if (provider.kind !== "transcriber") throw new Error("whisper is a transcriber")
  const { transcriber } = provider
  try {
    const samples = await readKnownClip()
    await transcriber.ready()
    const readyAt = performance.now()
    const { text } = await transcriber.transcribe({ samples, language: KNOWN_CLIP_LANGUAGE }, stop)
    const took = `ready after ${Math.round(readyAt - startedAt)} ms, a clip of 2.8 s took ${Math.round(performance.now() - readyAt)} ms`
    if (isKnownClip(text)) return [{ level: "ok", text: `engine with model ${transcriber.model}: ${took}` }]
    return [
      {
        level: "warning",
        text: `engine with model ${transcriber.model}: ${took}, but it misheard the clip`,
        remedy: "an English model hears it; WHISPER_MODEL=base is the model that we test",
      },
    ]
  } catch (error) {
    return [
      {
        level: "problem",
        text: `engine with model ${settings.WHISPER_MODEL}: ${reasonOf(error)}`,
        remedy: "see the lines above; WHISPER_MODEL=base needs no network",
      },
    ]
  } finally {
    download.end()
    await transcriber.close()
    await vad.close()
  }
}

/** For every provider but Deepgram, which finds the ends of utterances itself. */
export async function checkDetector({ settings, env, vadCommand }: Omit<Program, "log">): Promise<Finding[]> {
  if (settings.STT_PROVIDER === "deepgram") return []
  const startedAt = performance.now()
  const vad = openDetector({ settings, env, vadCommand, log: silentLog })
  try {
    await vad.ready()
    return [{ level: "ok", text: `voice activity process: ready after ${Math.round(performance.now() - startedAt)} ms` }]
  } catch (error) {
    return [{ level: "problem", text: reasonOf(error), remedy: "live streams need it; see the lines above" }]
  } finally {
    await vad.close()
  }
}
