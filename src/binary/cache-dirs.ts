/**
 * Where what must lie on a disk may be put: a pure function of the environment. Looks at no disk; whether a folder can be
 * used is found out by whoever writes to it, and then the next one is tried.
 */
import { posix, win32 } from "node:path"

export interface Host {
  readonly platform: NodeJS.Platform
  /** Undefined where users have no numbers (Windows). */
  readonly uid: number | undefined
  /** Against which a relative STT_CACHE_DIR is read. */
  readonly cwd: string
}

/**
 * The cache folders to try, best first, all absolute. `STT_CACHE_DIR` alone if it is set; else the user's cache
 * (`XDG_CACHE_HOME`, `HOME`, on Windows `LOCALAPPDATA`) and last the temporary folder.
 */
export function cacheDirCandidates(env: Readonly<Record<string, string | undefined>>, host: Host = thisHost()): readonly string[] {
  const windows = host.platform === "win32"
  const { isAbsolute, join, resolve } = windows ? win32 : posix
  if (env.STT_CACHE_DIR) return [resolve(host.cwd, env.STT_CACHE_DIR)]

  const temporary = windows ? (env.TEMP ?? env.TMP ?? "C:\\Windows\\Temp") : env.TMPDIR || "/tmp"
  const candidates = [
    env.XDG_CACHE_HOME && join(env.XDG_CACHE_HOME, "xrx-stt"),
    windows ? env.LOCALAPPDATA && join(env.LOCALAPPDATA, "xrx-stt", "cache") : env.HOME && join(env.HOME, ".cache", "xrx-stt"),
    join(temporary, host.uid === undefined ? "xrx-stt" : `xrx-stt-${host.uid}`),
  ]
  // The XDG specification says that a relative path is to be ignored; the same is safest for the others.
  return candidates.filter((dir): dir is string => typeof dir === "string" && isAbsolute(dir))
}

const thisHost = (): Host => ({ platform: process.platform, uid: process.getuid?.(), cwd: process.cwd() })
