import { expect, test } from "bun:test"
import { createFrameReader } from "../../../src/dialects/wyoming/frames.ts"

const event = (payload: Uint8Array) =>
  Buffer.concat([Buffer.from(`{"type":"audio-chunk","data_length":10,"payload_length":${payload.length}}\n{"rate":7}`), payload])

const PAYLOAD = Buffer.from(Array.from({ length: 200_000 }, (_, at) => at % 251))

test("An event costs what its bytes cost, though each comes by itself", () => {
  const { read } = createFrameReader()
  const bytes = event(PAYLOAD)
  const before = process.cpuUsage()
  const frames = Array.from(bytes, (byte) => read(Buffer.of(byte))).flat()
  expect(process.cpuUsage(before).user).toBeLessThan(2_000_000)
  expect(frames).toMatchObject([{ type: "audio-chunk" }])
  expect(PAYLOAD.equals(frames[0]?.payload ?? Buffer.alloc(0))).toBe(true)
}, 60_000)

test.each([1, 3, 50, 500, 200_011])("Events come out whole and in order from slices of %d bytes, which may be used again", (sliceBytes) => {
  const { read } = createFrameReader()
  const small = [1, 2, 3].map((size) => Buffer.alloc(size * 100, size))
  const bytes = Buffer.concat([...small.map(event), Buffer.from('{"type":"ping"}\n'), event(small[0] ?? PAYLOAD)])
  const frames = []
  for (let at = 0; at < bytes.length; at += sliceBytes) {
    const slice = Buffer.from(bytes.subarray(at, at + sliceBytes))
    frames.push(...read(slice))
    slice.fill(0)
  }
  expect(frames.map(({ type, data, payload }) => [type, data, payload.length, payload[0]])).toEqual([
    ["audio-chunk", { rate: 7 }, 100, 1],
    ["audio-chunk", { rate: 7 }, 200, 2],
    ["audio-chunk", { rate: 7 }, 300, 3],
    ["ping", {}, 0, undefined],
    ["audio-chunk", { rate: 7 }, 100, 1],
  ])
})
