/**
 * `doctor`: what is wrong with this machine and these settings, in plain words, each with what to do about it. Looks, starts
 * one engine and has it listen to a clip, and the voice activity process; changes nothing but the cache folder. Never shows a key.
 */
import type { SettingsResult } from "../settings.ts"
import {
  checkCacheDir,
  checkCertificate,
  checkCollector,
  checkLibrary,
  checkMachine,
  checkPort,
  checkSettings,
  type Finding,
} from "./doctor-checks.ts"
import { checkDetector, checkEngine } from "./doctor-engine.ts"
import { EXIT, type Program } from "./program.ts"

export interface DoctorOptions extends Omit<Program, "settings" | "log"> {
  readonly result: SettingsResult
}

/** Prints one line a check, as soon as it is known. 1 if there is a problem. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const { result, env, write } = options
  let problems = 0
  const show = (findings: readonly Finding[]) => {
    for (const { level, text, remedy } of findings) {
      if (level === "problem") problems++
      write(`${level.padEnd(8)} ${text}${remedy ? `\n         → ${remedy}` : ""}`)
    }
  }
  show(checkSettings(result))
  show(await checkLibrary())
  show(checkMachine())
  if (result.ok) {
    const { settings } = result
    show(await checkCacheDir(settings, env))
    show(checkPort(settings))
    show(await checkCertificate(settings))
    show(await checkCollector(settings))
    show(await checkEngine({ ...options, settings }))
    show(await checkDetector({ ...options, settings }))
  } else write("skipped  cache folder, port, certificate, collector, engine and voice activity: they depend on the settings")
  write(problems === 0 ? "No problem found" : `${problems} ${problems === 1 ? "problem" : "problems"} found`)
  return problems === 0 ? EXIT.drained : EXIT.failed
}
