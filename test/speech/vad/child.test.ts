import { describe, expect, test } from "bun:test"
import { join } from "node:path"

const ROOT = join(import.meta.dir, "../../..")

describe("a voice activity process", () => {
  for (const state of ["idle", "busy"]) {
    test(`ends when its server is killed while it is ${state}`, async () => {
      const parent = Bun.spawn([process.execPath, join(ROOT, "test/support/lonely-vad-parent.ts"), state], {
        stdout: "pipe",
        stdin: "ignore",
      })
      const { value } = await parent.stdout.getReader().read()
      const pid = Number(new TextDecoder().decode(value))
      expect(pid).toBeGreaterThan(0)
      parent.kill("SIGKILL")
      await parent.exited
      expect(await isGone(pid)).toBe(true)
    }, 30_000)
  }

  test("is no command for people: without a server it says so and fails", async () => {
    const vad = Bun.spawn([process.execPath, join(ROOT, "src/main.ts"), "__vad"], { stdout: "pipe", stderr: "pipe" })
    expect(await vad.exited).toBe(1)
    expect(await vad.stdout.text()).toBe("")
    expect(await vad.stderr.text()).toContain("started by xrx-stt itself")
  })
})

/** Not our child, so there is no event to wait on. */
async function isGone(pid: number): Promise<boolean> {
  for (let turn = 0; turn < 200; turn++) {
    try {
      process.kill(pid, 0)
    } catch {
      return true
    }
    await Bun.sleep(25)
  }
  return false
}
