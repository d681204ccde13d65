import { describe, expect, test } from "bun:test"
import { cacheDirCandidates } from "../../src/binary/cache-dirs.ts"

const linux = { platform: "linux", uid: 1000, cwd: "/srv" } as const
const windows = { platform: "win32", uid: undefined, cwd: "C:\\srv" } as const

describe("cacheDirCandidates", () => {
  test("STT_CACHE_DIR is the only candidate when it is set, and may be relative", () => {
    expect(cacheDirCandidates({ STT_CACHE_DIR: "/data/stt", HOME: "/home/ada" }, linux)).toEqual(["/data/stt"])
    expect(cacheDirCandidates({ STT_CACHE_DIR: "cache", HOME: "/home/ada" }, linux)).toEqual(["/srv/cache"])
  })

  test("the user's cache comes before the temporary folder, which carries the user's number", () => {
    expect(cacheDirCandidates({ XDG_CACHE_HOME: "/x", HOME: "/home/ada", TMPDIR: "/scratch" }, linux)).toEqual([
      "/x/xrx-stt",
      "/home/ada/.cache/xrx-stt",
      "/scratch/xrx-stt-1000",
    ])
  })

  test("an empty environment leaves the temporary folder", () => {
    expect(cacheDirCandidates({}, linux)).toEqual(["/tmp/xrx-stt-1000"])
    expect(cacheDirCandidates({ HOME: "", TMPDIR: "", XDG_CACHE_HOME: "", STT_CACHE_DIR: "" }, linux)).toEqual(["/tmp/xrx-stt-1000"])
  })

  test("relative folders of the environment are ignored", () => {
    expect(cacheDirCandidates({ XDG_CACHE_HOME: "x", HOME: ".", TMPDIR: "/tmp" }, linux)).toEqual(["/tmp/xrx-stt-1000"])
  })

  test("Windows has its own variables", () => {
    const env = { LOCALAPPDATA: "C:\\Users\\Ada\\AppData\\Local", TEMP: "C:\\Temp", HOME: "/c/Users/Ada" }
    expect(cacheDirCandidates(env, windows)).toEqual(["C:\\Users\\Ada\\AppData\\Local\\xrx-stt\\cache", "C:\\Temp\\xrx-stt"])
  })
})
