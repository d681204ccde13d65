import { describe, expect, test } from "bun:test"
import { mkdtemp, writeFile } from "node:fs/promises"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { enginesThatFit, readMachine, recordingMemory } from "../../src/commands/machine.ts"

const GB = 1e9

describe("the number of engines", () => {
  test.each([
    [2, 24 * GB, 2],
    [64, 24 * GB, 64],
    [8, 2 * GB, 5],
    [8, 1 * GB, 2],
    [8, 0.8 * GB, 1],
    [1, 0.1 * GB, 1],
  ])("on %d cores with %d bytes of memory is %d", (cores, memoryBytes, engines) => {
    expect(enginesThatFit({ cores, memoryBytes })).toBe(engines)
  })
})

describe("what recordings may hold", () => {
  const MIB = 1024 * 1024
  test.each([
    [24 * GB, 2, 768, 512],
    [2 * 1024 * MIB, 2, 287, 287],
    [1024 * MIB, 2, 64, 192],
    [512 * MIB, 1, 64, 192],
    [2 * 1024 * MIB, 0, 437, 437],
  ])("of %d bytes beside %d engines is %d MiB of uploads and %d for each decoder", (memoryBytes, engines, uploads, decoder) => {
    const memory = recordingMemory({ cores: 2, memoryBytes }, engines, 2)
    expect([memory.uploadsBytes, memory.decoderBytes].map((bytes) => Math.floor(bytes / MIB))).toEqual([uploads, decoder])
  })
})

describe("a machine", () => {
  async function container(files: Record<string, string>): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), "cgroup-"))
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
    return dir
  }

  test("is the whole of it outside of a container", async () => {
    const { cores, memoryBytes } = readMachine(await container({}))
    expect(cores).toBe(availableParallelism())
    expect(memoryBytes).toBeGreaterThan(100e6)
    expect(Number.isFinite(memoryBytes)).toBe(true)
  })

  test("is what a container's limits leave of it", async () => {
    const limits = { "cpu.max": "50000 100000\n", "memory.max": "700000000\n", "memory.current": "200000000\n" }
    expect(readMachine(await container(limits))).toEqual({ cores: 1, memoryBytes: 500_000_000 })
  })

  test("is the whole of it in a container without limits", async () => {
    const { cores, memoryBytes } = readMachine(
      await container({ "cpu.max": "max 100000\n", "memory.max": "max\n", "memory.current": "1\n" }),
    )
    expect(cores).toBe(availableParallelism())
    expect(Number.isFinite(memoryBytes)).toBe(true)
  })
})
