import { describe, expect, test } from "bun:test"
import { showDownload } from "../../src/commands/progress.ts"
import { tapLog } from "../support/log.ts"

describe("a download without a terminal", () => {
  test("is logged once for each tenth of each file, not for each piece of it", () => {
    const { log, lines } = tapLog()
    const { onProgress, end } = showDownload({ terminal: false, env: {}, log })
    for (const file of ["encoder.onnx", "decoder.onnx"]) {
      for (let loadedBytes = 0; loadedBytes <= 50_000_000; loadedBytes += 100_000) onProgress({ file, loadedBytes, totalBytes: 50_000_000 })
    }
    end()
    const ofEncoder = lines.filter(({ event }) => event === "downloading encoder.onnx")
    expect(ofEncoder.map(({ percent }) => percent)).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
    expect(ofEncoder[0]).toMatchObject({ total: 50, unit: "MB", level: "info" })
    expect(lines).toHaveLength(22)
  })

  test("whose length nobody knows stays silent", () => {
    const { log, lines } = tapLog()
    showDownload({ terminal: false, env: {}, log }).onProgress({ file: "a", loadedBytes: 5, totalBytes: null })
    expect(lines).toEqual([])
  })
})
