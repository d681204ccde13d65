/** RFC 6455 at our door, as the sections 1 to 7 of the Autobahn test suite ask it: raw frames over TCP. */
import { describe, expect, test } from "bun:test"
import { connectRaw, OPCODE, type RawClient, socketUrl } from "../support/client.ts"
import { closePayload, type FrameFields, frameBytes } from "../support/frames.ts"
import { audio } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

const PROTOCOL_ERROR = 1002
const INVALID_TEXT = 1007

const text = (payload: string | Uint8Array, more: Partial<FrameFields> = {}) =>
  frameBytes({ opcode: OPCODE.text, payload: Buffer.from(payload), ...more })
const control = (opcode: number, payload: string | Uint8Array = "", more: Partial<FrameFields> = {}) =>
  frameBytes({ opcode, payload: Buffer.from(payload), ...more })
const rest = (payload: string | Uint8Array, more: Partial<FrameFields> = {}) =>
  frameBytes({ opcode: OPCODE.continuation, payload: Buffer.from(payload), ...more })
const open = { final: false } as const

/** A text whose answer tells its `ref`. */
const asking = (ref: string) => JSON.stringify({ type: "clear", ref })

/** Mode `events` answers each text once: one it knows by its ref, others by an error. The greeting is read. */
async function connectForTexts(): Promise<RawClient> {
  const client = await connectRaw(socketUrl(serve().server.url, "mode=events&vad=none"))
  await client.nextFrame()
  return client
}

/** Mode `utterance` answers each binary message by what was in it. */
function connectForBytes(): Promise<RawClient> {
  return connectRaw(socketUrl(serve().server.url))
}

async function nextText(client: RawClient): Promise<string> {
  const { opcode, payload } = await client.nextFrame()
  expect(opcode).toBe(OPCODE.text)
  return payload.toString()
}

async function nextRef(client: RawClient): Promise<string> {
  return JSON.parse(await nextText(client)).ref
}

/** The code that the server closes with; null if it closes without. Nothing but a close may come. */
async function closesWith(client: RawClient): Promise<number | null> {
  await client.closed
  const last = client.frames.at(-1)
  if (last?.opcode !== OPCODE.close) return null
  return last.payload.length < 2 ? 1005 : last.payload.readUInt16BE(0)
}

/** Sends one byte at a time, so that a frame comes in pieces. */
async function sendChopped(client: RawClient, bytes: Uint8Array, piece = 1): Promise<void> {
  for (let at = 0; at < bytes.length; at += piece) {
    client.sendBytes(bytes.subarray(at, at + piece))
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The connection fails, and what came before the fault is answered. */
async function expectFault(bytes: Uint8Array, code = PROTOCOL_ERROR): Promise<void> {
  const client = await connectForTexts()
  client.sendBytes(Buffer.concat([text(asking("before")), bytes, text(asking("behind"))]))
  expect(await nextRef(client)).toBe("before")
  expect(await closesWith(client)).toBe(code)
  expect(client.frames.filter(({ opcode }) => opcode === OPCODE.text)).toHaveLength(2)
}

describe("1: framing", () => {
  const sizes = [0, 125, 126, 127, 128, 1_000, 16_384]
  test.each(sizes)("a text of %d characters beside its control is one message", async (padding) => {
    const client = await connectForTexts()
    client.sendBytes(text(`${asking("r")}${" ".repeat(Math.max(0, padding - asking("r").length))}`))
    expect(await nextRef(client)).toBe("r")
  })

  test("an empty text is a message", async () => {
    const client = await connectForTexts()
    client.sendBytes(text(""))
    expect(JSON.parse(await nextText(client))).toMatchObject({ type: "error", code: "bad_message" })
  })

  test("a text of 65,536 bytes is one message, whole and in pieces", async () => {
    const client = await connectForTexts()
    for (const piece of [70_000, 997]) {
      await sendChopped(client, text("*".repeat(65_536)), piece)
      expect(JSON.parse(await nextText(client))).toMatchObject({ type: "error", code: "bad_message" })
    }
  })

  test.each([126, 128, 65_534, 65_536, 1_048_576])("%d bytes are one message, whole and in pieces", async (bytes) => {
    const client = await connectForBytes()
    const frame = frameBytes({ opcode: OPCODE.binary, payload: audio(5, bytes / 2), mask: Buffer.from("mask") })
    client.sendBytes(frame)
    expect(await nextText(client)).toBe("word 5")
    await sendChopped(client, frame, 9_973)
    expect(await nextText(client)).toBe("word 5")
  })

  test("an empty binary message asks for nothing", async () => {
    const client = await connectForBytes()
    client.sendBytes(frameBytes({ opcode: OPCODE.binary }))
    client.sendBytes(frameBytes({ opcode: OPCODE.binary, payload: audio(7) }))
    expect(await nextText(client)).toBe("word 7")
  })

  test("a client must mask", async () => {
    await expectFault(text(asking("bare"), { mask: null }))
  })
})

describe("2: pings and pongs", () => {
  const payloads = [Buffer.alloc(0), Buffer.from("Hello"), Buffer.of(0, 0xff, 0xfe, 0xfd), Buffer.alloc(125, 0xfe)]
  test.each(payloads)("a ping is answered by its own bytes", async (payload) => {
    const client = await connectForTexts()
    client.sendBytes(control(OPCODE.ping, payload, { mask: Buffer.from("mask") }))
    expect(await client.nextFrame()).toEqual({ opcode: OPCODE.pong, payload })
    await sendChopped(client, control(OPCODE.ping, payload))
    expect(await client.nextFrame()).toEqual({ opcode: OPCODE.pong, payload })
  })

  test("a ping of 126 bytes is a fault", async () => {
    await expectFault(control(OPCODE.ping, Buffer.alloc(126)))
  })

  test("pongs that nobody asked for are no matter", async () => {
    const client = await connectForTexts()
    client.sendBytes(Buffer.concat([control(OPCODE.pong), control(OPCODE.pong, "why"), control(OPCODE.ping, "ping")]))
    expect(await client.nextFrame()).toEqual({ opcode: OPCODE.pong, payload: Buffer.from("ping") })
  })

  test("ten pings get ten pongs, in order", async () => {
    const client = await connectForTexts()
    const all = Array.from({ length: 10 }, (_, nth) => Buffer.from(`ping ${nth}`))
    await sendChopped(client, Buffer.concat(all.map((payload) => control(OPCODE.ping, payload))), 3)
    for (const payload of all) expect(await client.nextFrame()).toEqual({ opcode: OPCODE.pong, payload })
  })
})

describe("3: reserved bits", () => {
  test.each([1, 2, 3, 4, 5, 6, 7])("bits %d are a fault, in every kind of frame", async (reserved) => {
    await expectFault(text(asking("bits"), { reserved }))
    await expectFault(frameBytes({ opcode: OPCODE.binary, payload: audio(1), reserved }))
    await expectFault(control(OPCODE.ping, "bits", { reserved }))
    await expectFault(control(OPCODE.close, closePayload(1000), { reserved }))
  })
})

describe("4: opcodes", () => {
  test.each([3, 4, 5, 6, 7, 11, 12, 13, 14, 15])("opcode %d is a fault, empty or not", async (opcode) => {
    await expectFault(frameBytes({ opcode }))
    await expectFault(frameBytes({ opcode, payload: Buffer.from("payload") }))
  })
})

describe("5: fragments", () => {
  test.each([OPCODE.ping, OPCODE.pong, OPCODE.close])("a control frame (%d) in fragments is a fault", async (opcode) => {
    await expectFault(Buffer.concat([control(opcode, "frag", open), rest("ment")]))
  })

  test("a text in fragments is one message, in every way to send it", async () => {
    const client = await connectForTexts()
    const [first, second] = [asking("two").slice(0, 9), asking("two").slice(9)]
    for (const piece of [10_000, 7, 1]) {
      await sendChopped(client, Buffer.concat([text(first, open), rest(second)]), piece)
      expect(await nextRef(client)).toBe("two")
    }
    client.sendBytes(Buffer.concat([text("", open), rest("", open), rest(asking("empty"), open), rest("")]))
    expect(await nextRef(client)).toBe("empty")
  })

  test("a binary message in fragments is one", async () => {
    const client = await connectForBytes()
    const slices = [audio(1), audio(2), audio(3)]
    const opcodes = [OPCODE.binary, OPCODE.continuation, OPCODE.continuation]
    for (const [at, payload] of slices.entries()) client.sendBytes(frameBytes({ opcode: opcodes[at]!, payload, final: at === 2 }))
    expect(await nextText(client)).toBe("word 1 2 3")
  })

  test("pings between fragments are answered at once", async () => {
    const client = await connectForTexts()
    const parts = [...asking("amid")]
    for (const [at, part] of parts.entries()) {
      const final = at === parts.length - 1
      client.sendBytes(at === 0 ? text(part, open) : rest(part, { final }))
      if (final) break
      client.sendBytes(control(OPCODE.ping, `ping ${at}`))
      expect(await client.nextFrame()).toEqual({ opcode: OPCODE.pong, payload: Buffer.from(`ping ${at}`) })
    }
    expect(await nextRef(client)).toBe("amid")
  })

  const outOfTurn: [string, Buffer][] = [
    ["the end of nothing", rest("continued")],
    ["the middle of nothing", rest("continued", open)],
    ["an end behind a whole message", Buffer.concat([control(OPCODE.ping), rest("continued"), rest("more")])],
    ["a message inside a message", Buffer.concat([text("be", open), text("gin")])],
    ["bytes inside a text", Buffer.concat([text("be", open), frameBytes({ opcode: OPCODE.binary, payload: audio(1) })])],
  ]
  test.each(outOfTurn)("%s is a fault", async (_, bytes) => {
    const client = await connectForTexts()
    client.sendBytes(bytes)
    expect(await closesWith(client)).toBe(PROTOCOL_ERROR)
    expect(client.frames.filter(({ opcode }) => opcode === OPCODE.text)).toHaveLength(1)
  })
})

describe("6: UTF-8", () => {
  const valid = [
    "κόσμε",
    "Hello-µ@ßöäüàá-UTF-8!!",
    "\0",
    "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}",
    "\ud7ff\ue000\ufffd",
    "\ufffe\u{1fffe}",
  ]
  test.each(valid)("%j comes back as it was, whole, in pieces and in fragments amid a letter", async (ref) => {
    const client = await connectForTexts()
    const bytes = Buffer.from(asking(ref))
    client.sendBytes(text(bytes, { mask: Buffer.from("mask") }))
    expect(await nextRef(client)).toBe(ref)
    await sendChopped(client, text(bytes))
    expect(await nextRef(client)).toBe(ref)
    const parts = Array.from(bytes, (byte, at) => {
      const payload = Buffer.of(byte)
      return at === 0 ? text(payload, open) : rest(payload, { final: at === bytes.length - 1 })
    })
    client.sendBytes(Buffer.concat(parts))
    expect(await nextRef(client)).toBe(ref)
  })

  const invalid: [string, Buffer][] = [
    ["a surrogate", Buffer.from("cebae1bdb9cf83cebcceb5eda080656469746564", "hex")],
    ["beyond the last letter", Buffer.from("cebae1bdb9cf83cebcceb5f4908080656469746564", "hex")],
    ["five bytes", Buffer.from("f888808080", "hex")],
    ["six bytes", Buffer.from("fc8480808080", "hex")],
    ["a byte that begins nothing", Buffer.of(0x80)],
    ["a byte that is in no letter", Buffer.of(0xfe)],
    ["a lonely beginning", Buffer.from("c020", "hex")],
    ["a letter that is cut off", Buffer.from("cebae1bd", "hex")],
    ["an overlong slash", Buffer.from("c0af", "hex")],
    ["an overlong zero", Buffer.from("f0808080", "hex")],
    ["a pair of surrogates", Buffer.from("eda080edb080", "hex")],
  ]
  test.each(invalid)("%s is a fault, in one frame and in fragments", async (_, bytes) => {
    await expectFault(text(bytes), INVALID_TEXT)
    const client = await connectForTexts()
    client.sendBytes(Buffer.concat([text(bytes.subarray(0, 1), open), rest(bytes.subarray(1))]))
    expect(await closesWith(client)).toBe(INVALID_TEXT)
  })
})

describe("7: closing", () => {
  test("what came before a close is answered, then the close", async () => {
    const client = await connectForTexts()
    client.sendBytes(Buffer.concat([text(asking("last")), control(OPCODE.close, closePayload(1000))]))
    expect(await nextRef(client)).toBe("last")
    expect(await closesWith(client)).toBe(1000)
  })

  const behind: [string, Buffer][] = [
    ["a second close", control(OPCODE.close, closePayload(1000))],
    ["a ping", control(OPCODE.ping)],
    ["a text", text(asking("late"))],
    ["the rest of a message", rest("late")],
  ]
  test.each(behind)("%s behind a close is not looked at", async (_, bytes) => {
    const client = await connectForTexts()
    client.sendBytes(Buffer.concat([control(OPCODE.close, closePayload(1000)), bytes]))
    expect(await closesWith(client)).toBe(1000)
    expect(client.frames.map(({ opcode }) => opcode)).toEqual([OPCODE.text, OPCODE.close])
  })

  test("a close amid a message ends it", async () => {
    const client = await connectForTexts()
    client.sendBytes(Buffer.concat([text("be", open), control(OPCODE.close, closePayload(1000))]))
    expect(await closesWith(client)).toBe(1000)
  })

  const good: [string, Buffer, number][] = [
    ["nothing", Buffer.alloc(0), 1005],
    ["a code", closePayload(1000), 1000],
    ["a code and a reason", closePayload(1000, "Hello World!"), 1000],
    ["a reason of 123 bytes", closePayload(1000, "*".repeat(123)), 1000],
    ...[1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999].map((code): [string, Buffer, number] => [
      `the code ${code}`,
      closePayload(code),
      code,
    ]),
  ]
  test.each(good)("a close with %s is answered in kind", async (_, payload, code) => {
    const client = await connectForTexts()
    client.sendBytes(control(OPCODE.close, payload))
    expect(await closesWith(client)).toBe(code)
  })

  const bad: [string, Buffer, number][] = [
    ["half a code", Buffer.of(3), PROTOCOL_ERROR],
    ["a reason of 124 bytes", closePayload(1000, "*".repeat(124)), PROTOCOL_ERROR],
    ["a reason that is no UTF-8", closePayload(1000, Buffer.from("cebae1bdb9cf83cebcceb5eda080656469746564", "hex")), INVALID_TEXT],
    ...[0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535].map((code): [string, Buffer, number] => [
      `the code ${code}`,
      closePayload(code),
      PROTOCOL_ERROR,
    ]),
  ]
  test.each(bad)("a close with %s is a fault", async (_, payload, code) => {
    const client = await connectForTexts()
    client.sendBytes(control(OPCODE.close, payload))
    expect(await closesWith(client)).toBe(code)
  })
})
