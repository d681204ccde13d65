import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { findRecordings } from "../../src/commands/inputs.ts"

describe("what the words of a command line mean", () => {
  let folder: string
  const at = (...path: string[]) => join(folder, ...path)
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "inputs-"))
    for (const name of ["b.mp3", "a.WAV", "notes.txt", ".hidden.wav", "deep/er/c.m4a", "[1].wav", "empty/notes.txt"])
      await Bun.write(at(name), "")
  })
  afterAll(() => rm(folder, { recursive: true }))

  const recording = (name: string, stem: string) => ({ kind: "recording" as const, name, path: name, stem })
  const fault = (name: string, reason: unknown) => ({ kind: "fault" as const, name, reason: reason as string })

  test("a folder is its recordings, those in folders below it too, by name", async () => {
    expect(await findRecordings([folder])).toEqual([
      recording(at("[1].wav"), "[1]"),
      recording(at("a.WAV"), "a"),
      recording(at("b.mp3"), "b"),
      recording(at("deep/er/c.m4a"), "deep/er/c"),
    ])
  })

  test("a folder without recordings is a fault, and costs the others nothing", async () => {
    expect(await findRecordings([at("empty"), at("b.mp3")])).toEqual([
      fault(at("empty"), expect.stringMatching(/^no recordings in this folder \(wav, flac, mp3/)),
      recording(at("b.mp3"), "b"),
    ])
  })

  test("a pattern is what fits it, unless a file has that very name", async () => {
    expect(await findRecordings([at("*.{mp3,txt}"), at("[1].wav")])).toEqual([
      recording(at("b.mp3"), "b"),
      recording(at("notes.txt"), "notes"),
      recording(at("[1].wav"), "[1]"),
    ])
    expect(await findRecordings([at("*.ogg")])).toEqual([fault(at("*.ogg"), "no file fits this pattern")])
  })

  test("a file is taken whatever its name, and only once", async () => {
    expect(await findRecordings([at("notes.txt"), at("*.txt")])).toEqual([recording(at("notes.txt"), "notes")])
  })

  test("`-` is standard input, and what is missing is said to be", async () => {
    expect(await findRecordings(["-", at("none.wav")])).toEqual([
      { kind: "recording", name: "-", path: null, stem: "stdin" },
      fault(at("none.wav"), "no such file"),
    ])
  })
})
