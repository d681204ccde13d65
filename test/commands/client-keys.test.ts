import { afterEach, expect, test } from "bun:test"
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { KEYS_LOOK_MS, openClientKeys } from "../../src/commands/client-keys.ts"
import { parseSettings } from "../../src/settings.ts"
import { handClock } from "../support/clock.ts"
import { tapLog } from "../support/log.ts"

const folder = mkdtempSync(join(tmpdir(), "keys-"))
const file = join(folder, "keys")
afterEach(() => rmSync(file, { force: true }))

function settingsOf(env: Record<string, string>) {
  const result = parseSettings(env)
  if (!result.ok) throw new Error(result.faults.join())
  return result.settings
}

async function openKeys(env: Record<string, string> = { STT_API_KEYS_FILE: file }) {
  const tap = tapLog()
  const clock = handClock()
  const listeners = new Set<() => void>()
  const onHangUp = (listener: () => void) => {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }
  const keys = await openClientKeys({ settings: settingsOf(env), log: tap.log, terminal: false, onHangUp }, clock)
  const hangUp = () => {
    for (const listener of listeners) listener()
  }
  return { keys, tap, clock, hangUp, listeners, names: () => keys.current()?.map(({ name, key }) => `${name}=${key}`) }
}

/** As an editor or a mounted secret does: another file in its place. */
function replace(text: string) {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

test("without any key the server is open; those of the environment count by themselves", async () => {
  expect((await openKeys({})).keys.current()).toBeUndefined()
  expect((await openKeys({ STT_API_KEYS: "alice:k" })).names()).toEqual(["alice=k"])
})

test("a file of keys counts beside those of the environment; comments and blank lines in it do not", async () => {
  replace("# for the app\nalice:k1\n\n  bob:k2, k3\n")
  const { names, keys } = await openKeys({ STT_API_KEYS_FILE: file, STT_API_KEYS: "root:r" })
  expect(names()).toEqual(["root=r", "alice=k1", "bob=k2", "key3=k3"])
  keys.close()
})

test("a file that is replaced counts after a look, or at once on SIGHUP", async () => {
  replace("alice:k1")
  const { names, keys, tap, clock, hangUp } = await openKeys()
  replace("alice:k2")
  await clock.advance(KEYS_LOOK_MS)
  expect(await tap.seen("keys read")).toMatchObject({ keys: 1 })
  expect(names()).toEqual(["alice=k2"])
  replace("alice:k2,bob:k3")
  hangUp()
  expect(await tap.seen("keys read", 2)).toMatchObject({ keys: 2 })
  expect(names()).toEqual(["alice=k2", "bob=k3"])
  keys.close()
})

test.each([
  ["is empty", ""],
  ["holds only comments", "# alice:k1\n"],
  ["is wrong", "alice:k 2"],
])("a file that %s opens nothing: the keys before it stay, the log says why once, and a mended one counts", async (_, text) => {
  replace("alice:k1")
  const { names, keys, tap, hangUp } = await openKeys()
  replace(text)
  hangUp()
  const { reason } = await tap.seen("keys not read: those before stay")
  expect(reason).toContain("STT_API_KEYS_FILE")
  expect(JSON.stringify(tap.lines)).not.toContain("k 2")
  expect(names()).toEqual(["alice=k1"])
  replace("alice:k4")
  hangUp()
  await tap.seen("keys read")
  expect(names()).toEqual(["alice=k4"])
  expect(tap.lines.filter(({ level }) => level === "error")).toHaveLength(1)
  keys.close()
})

test("a file that goes away opens nothing; one that is not there at the start is a fault", async () => {
  await expect(openKeys()).rejects.toThrow("STT_API_KEYS_FILE")
  replace("alice:k1")
  const { names, keys, tap, hangUp } = await openKeys()
  rmSync(file)
  hangUp()
  await tap.seen("keys not read: those before stay")
  expect(names()).toEqual(["alice=k1"])
  keys.close()
})

test("closed, it leaves no timer and no listener", async () => {
  replace("alice:k1")
  const { keys, clock, listeners } = await openKeys()
  expect([clock.waiting, listeners.size]).toEqual([1, 1])
  keys.close()
  expect([clock.waiting, listeners.size]).toEqual([0, 0])
})
