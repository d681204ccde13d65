import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import type { EmbeddedFile, FileSet } from "../../src/binary/embedded-file.ts"
import { extract } from "../../src/binary/extract.ts"
import { openLibc } from "../../src/binary/libc.ts"

const CONTENTS = {
  "lib.so": Buffer.alloc(9 * 1024 * 1024 + 7, "library"),
  "deep/model.onnx": Buffer.from("weights."),
  empty: Buffer.alloc(0),
}
/** Whoever is root may write everywhere, so some refusals need another user's folder. */
const asRoot = process.getuid?.() === 0
const STRANGER_UID = 12_345
const LONG_AGO_SECONDS = 1_000_000_000

let room: string
let cacheDir: string
let set: FileSet

beforeEach(async () => {
  room = await mkdtemp(join(tmpdir(), "xrx-stt-extract-"))
  cacheDir = join(room, "cache", "xrx-stt")
  const files: EmbeddedFile[] = []
  for (const [name, content] of Object.entries(CONTENTS)) {
    const path = join(room, "inside", name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
    files.push({ name, path, sizeBytes: content.length, sha256: createHash("sha256").update(content).digest("hex") })
  }
  set = { name: "trial", files }
})

afterEach(() => rm(room, { recursive: true, force: true }))

async function expectWhole(folder: string) {
  for (const [name, content] of Object.entries(CONTENTS)) {
    expect(content.equals(await readFile(join(folder, name)))).toBe(true)
  }
}

/** Breaks what extraction would read: from here on only what lies on the disk already can be right. */
const breakSources = () => rm(join(room, "inside"), { recursive: true })

describe("extract", () => {
  test("copies every file into a folder that only this user can read", async () => {
    const folder = await extract(set, cacheDir)
    await expectWhole(folder)
    expect((await stat(cacheDir)).mode & 0o777).toBe(0o700)
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect((await stat(join(folder, "lib.so"))).mode & 0o777).toBe(0o400)
  })

  test("uses the copy of an earlier start without reading the files inside again", async () => {
    const folder = await extract(set, cacheDir)
    await breakSources()
    expect(await extract(set, cacheDir)).toBe(folder)
  })

  test("puts other contents into another folder", async () => {
    const before = await extract(set, cacheDir)
    const changed = Buffer.from("other weights")
    const path = join(room, "changed")
    await writeFile(path, changed)
    const sha256 = createHash("sha256").update(changed).digest("hex")
    const after = await extract({ ...set, files: [{ name: "lib.so", path, sizeBytes: changed.length, sha256 }] }, cacheDir)
    expect(after).not.toBe(before)
    await expectWhole(before)
  })

  const damages: Record<string, (path: string) => Promise<void>> = {
    "a flipped byte": async (path) => {
      const bytes = await readFile(path)
      bytes[4] = ~(bytes[4] ?? 0) & 0xff
      await rewrite(path, bytes)
    },
    "a flipped byte and the old time of change": async (path) => {
      await utimes(path, LONG_AGO_SECONDS, LONG_AGO_SECONDS)
      await extract(set, cacheDir)
      const bytes = await readFile(path)
      bytes[4] = ~(bytes[4] ?? 0) & 0xff
      await rewrite(path, bytes)
      await utimes(path, LONG_AGO_SECONDS, LONG_AGO_SECONDS)
    },
    "a cut": (path) => truncate(path, 3),
    "a loss": (path) => rm(path),
    "a link in its place": async (path) => {
      // As long as the file: a link's size is the length of what it says.
      await rename(path, join(dirname(path), "../other"))
      await symlink("../other", path)
    },
    "a permission for others to write": (path) => chmod(path, 0o666),
  }
  for (const [damage, doTo] of Object.entries(damages)) {
    test(`repairs ${damage}`, async () => {
      const folder = await extract(set, cacheDir)
      await chmod(join(folder, "deep/model.onnx"), 0o600)
      await doTo(join(folder, "deep/model.onnx"))
      expect(await extract(set, cacheDir)).toBe(folder)
      await expectWhole(folder)
      expect((await stat(join(folder, "deep/model.onnx"))).mode & 0o777).toBe(0o400)
      expect((await readdir(cacheDir)).sort()).toEqual([folder.slice(cacheDir.length + 1), "trial.lock"])
    })
  }

  test("repairs a folder whose place is taken by a file", async () => {
    const folder = await extract(set, cacheDir)
    await rm(folder, { recursive: true })
    await writeFile(folder, "in the way")
    expect(await extract(set, cacheDir)).toBe(folder)
    await expectWhole(folder)
  })

  test("believes a copy whose times changed only after reading it", async () => {
    const folder = await extract(set, cacheDir)
    await utimes(join(folder, "lib.so"), 1, 1)
    await breakSources()
    expect(await extract(set, cacheDir)).toBe(folder)
    await expectWhole(folder)
  })

  test("does not publish a copy of files that are damaged inside the executable", async () => {
    await rewrite(set.files[1]!.path, Buffer.from("wrongful"))
    await expect(extract(set, cacheDir)).rejects.toThrow("deep/model.onnx is damaged inside the executable itself")
    await extract(set, cacheDir).catch(() => {})
    expect(await readdir(cacheDir)).toEqual(["trial.lock"])
  })

  test("many at once make one copy and no rubbish", async () => {
    const folders = await Promise.all(Array.from({ length: 8 }, () => extract(set, cacheDir)))
    expect(new Set(folders).size).toBe(1)
    await expectWhole(folders[0]!)
    expect((await readdir(cacheDir)).length).toBe(2)
  })

  test("a whole copy is used while another process holds the lock", async () => {
    const folder = await extract(set, cacheDir)
    const handle = await open(join(cacheDir, "trial.lock"), "a")
    expect(openLibc()?.lock(handle.fd)).toBe("taken")
    expect(await extract(set, cacheDir)).toBe(folder)
    await handle.close()
  })

  test("sweeps away what a killed process left half written", async () => {
    await mkdir(join(cacheDir, "trial.part-of-the-dead/deep"), { recursive: true, mode: 0o700 })
    await extract(set, cacheDir)
    expect(await readdir(cacheDir)).not.toContain("trial.part-of-the-dead")
  })

  test("a folder into which others may write gets a private one of ours inside", async () => {
    await mkdir(cacheDir, { recursive: true })
    await chmod(cacheDir, 0o777)
    const folder = await extract(set, cacheDir)
    expect(dirname(folder)).toBe(join(cacheDir, `xrx-stt-${process.getuid?.()}`))
    expect((await stat(dirname(folder))).mode & 0o777).toBe(0o700)
    await expectWhole(folder)
  })

  test("refuses a private folder that others may write to as well", async () => {
    await mkdir(join(cacheDir, `xrx-stt-${process.getuid?.()}`), { recursive: true })
    await chmod(cacheDir, 0o777)
    await chmod(join(cacheDir, `xrx-stt-${process.getuid?.()}`), 0o777)
    await expect(extract(set, cacheDir)).rejects.toThrow("others may write to it")
  })

  test.skipIf(!asRoot)("refuses the folder of another user (needs root to make one)", async () => {
    await mkdir(cacheDir, { recursive: true })
    await chown(cacheDir, STRANGER_UID, STRANGER_UID)
    await expect(extract(set, cacheDir)).rejects.toThrow(`belongs to another user (${STRANGER_UID})`)
  })

  test.skipIf(!asRoot)("does not load what another user put in the place of a copy (needs root to do so)", async () => {
    const folder = await extract(set, cacheDir)
    await chown(join(folder, "lib.so"), STRANGER_UID, STRANGER_UID)
    await extract(set, cacheDir)
    expect((await stat(join(folder, "lib.so"))).uid).toBe(0)
  })

  test("rejects where no folder can be made", async () => {
    await expect(extract(set, "/proc/xrx-stt")).rejects.toThrow()
  })
})

/** In place, so that the name keeps its inode. */
async function rewrite(path: string, bytes: Uint8Array) {
  await writeFile(path, bytes, { flag: "r+" })
}
