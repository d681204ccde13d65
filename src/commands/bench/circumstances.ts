/** What a result says of itself: the recordings, the machine, the source it ran from. Reads the system; measures nothing. */
import { cpus, totalmem } from "node:os"
import { isCompiled } from "../../binary/bunfs.ts"
import { readMachine } from "../machine.ts"
import type { Clip } from "./clips.ts"
import type { Result } from "./result.ts"

export function describeClips(clips: readonly Clip[]) {
  const seconds = clips.map((clip) => clip.seconds)
  return {
    clips: clips.length,
    shortestSeconds: Math.min(...seconds),
    longestSeconds: Math.max(...seconds),
    audioSeconds: Math.round(seconds.reduce((total, one) => total + one, 0) * 10) / 10,
  }
}

export function describeMachine(): Result["machine"] {
  const processor = cpus()[0]?.model.trim() ?? "unknown processor"
  return { platform: `${process.platform}-${process.arch}`, processor, cores: readMachine().cores, memoryBytes: totalmem() }
}

/** Null in the built file, whose version names its commit, and outside a checkout. */
export function commitOfSource(): string | null {
  if (isCompiled) return null
  const git = (...words: string[]) => {
    try {
      const { success, stdout } = Bun.spawnSync(["git", ...words], { cwd: import.meta.dir, stderr: "ignore" })
      return success ? stdout.toString().trim() : undefined
    } catch {
      return undefined
    }
  }
  const commit = git("rev-parse", "--short", "HEAD")
  if (!commit) return null
  return git("status", "--porcelain", "../..") === "" ? commit : `${commit}, changed`
}
