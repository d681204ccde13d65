import { describe, expect, test } from "bun:test"
import { registry } from "../../src/metrics.ts"
import { clientAddress } from "../../src/server/addresses.ts"
import { COMING_MS, SPEAKING_MS } from "../../src/server/admission.ts"
import { connect, connectRaw, OPCODE, type RawClient, socketUrl } from "../support/client.ts"
import { handClock } from "../support/clock.ts"
import { httpDoor } from "../support/doors.ts"
import { audio } from "../support/scripted-streams.ts"
import { serve } from "../support/server.ts"

const KEYS = [
  { name: "alice", key: "a" },
  { name: "bob", key: "b" },
]

const as = (key: string) => ({ authorization: `Bearer ${key}` })
const from = (address: string) => ({ "x-forwarded-for": address })

/** Sockets one after the other, as their statuses and to be closed. */
async function open(url: URL, count: number, headers: Record<string, string> = {}, query = "") {
  const clients: RawClient[] = []
  for (let i = 0; i < count; i++) clients.push(await connectRaw(socketUrl(url, query), headers))
  return { clients, statuses: clients.map(({ status }) => status) }
}

describe("sockets", () => {
  test("of one client leave the last eighth of the places to others", async () => {
    const { server, tap } = serve({ maxSessions: 8, proxyHops: 1 })
    const greedy = await open(server.url, 8, from("10.0.0.1"))
    expect(greedy.statuses).toEqual([101, 101, 101, 101, 101, 101, 101, 503])
    expect((await fetch(new URL("/readyz", server.url))).status).toBe(200)
    const other = await open(server.url, 2, from("10.0.0.2"))
    expect(other.statuses).toEqual([101, 503])
    expect(other.clients[1]?.headers.get("retry-after")).toBe("1")
    expect((await fetch(new URL("/readyz", server.url))).status).toBe(503)
    greedy.clients[0]?.destroy()
    await tap.seen("disconnected")
    expect((await open(server.url, 1, from("10.0.0.3"))).statuses).toEqual([101])
  })

  test("of one client leave the last of few speakers to others, and of hardly any none", async () => {
    const few = serve({ proxyHops: 1, speakersMax: () => 4 })
    expect((await open(few.server.url, 4, from("10.0.0.1"))).statuses).toEqual([101, 101, 101, 503])
    expect((await open(few.server.url, 2, from("10.0.0.2"))).statuses).toEqual([101, 503])
    const hardly = serve({ speakersMax: () => 3 })
    expect((await open(hardly.server.url, 4)).statuses).toEqual([101, 101, 101, 503])
  })

  test("beyond as many speakers as can be followed are refused before they open, until somebody is quiet for a while", async () => {
    const clock = handClock()
    const { server } = serve({ clock, proxyHops: 1, speakersMax: () => 2 })
    const first = await connect(socketUrl(server.url), { headers: from("10.0.0.1") })
    const second = await connect(socketUrl(server.url), { headers: from("10.0.0.2") })
    const third = await open(server.url, 1, from("10.0.0.3"))
    expect([third.statuses, third.clients[0]?.body]).toEqual([[503], "full: 2 speakers at once are what this machine can follow\n"])
    expect(third.clients[0]?.headers.get("retry-after")).toBe("1")
    for (const client of [first, second]) {
      client.send(audio(7))
      expect(await client.next()).toBe("word 7")
    }
    await clock.advance(SPEAKING_MS - 1)
    expect((await open(server.url, 1, from("10.0.0.3"))).statuses).toEqual([503])
    first.send(audio(8))
    expect(await first.next()).toBe("word 8")
    await clock.advance(1)
    expect((await open(server.url, 2, from("10.0.0.3"))).statuses).toEqual([101, 503])
    expect(await (await fetch(new URL("/metrics", server.url))).text()).toContain("xrx_stt_speakers 2\n")
    first.close()
    second.close()
  })

  test("for whole utterances come a few at a time, however many may speak, and the last places of a second are kept for newcomers; live ones come at once", async () => {
    const clock = handClock()
    const { server, tap } = serve({ clock, proxyHops: 1, speakersMax: () => 32 })
    const crowd = await open(server.url, 10, from("10.0.0.1"))
    expect(crowd.statuses).toEqual([...Array(8).fill(101), 503, 503])
    const { body, headers } = crowd.clients[8] ?? {}
    expect([body, headers?.get("retry-after")]).toEqual(["full: 9 newcomers a second are what this machine can answer\n", "1"])
    expect((await open(server.url, 2, from("10.0.0.2"))).statuses).toEqual([101, 503])
    // Others may still be sent here: it is over in a moment.
    expect((await fetch(new URL("/readyz", server.url))).status).toBe(200)
    crowd.clients[0]?.destroy()
    await tap.seen("disconnected")
    expect((await open(server.url, 1, from("10.0.0.3"))).statuses).toEqual([101])
    await clock.advance(COMING_MS)
    expect((await open(server.url, 9, from("10.0.0.1"))).statuses).toEqual([...Array(8).fill(101), 503])
    expect((await open(server.url, 2, from("10.0.0.2"), "mode=events")).statuses).toEqual([101, 101])
  })

  test("for whole utterances do not come behind more than can be answered in a second; live ones do", async () => {
    const before = new Map([["address 10.0.0.1", 8]])
    const { server } = serve({ clock: handClock(), proxyHops: 1, speakersMax: () => 32, ahead: (owner) => before.get(owner) ?? 0 })
    expect((await open(server.url, 1, from("10.0.0.1"))).statuses).toEqual([101])
    before.set("address 10.0.0.1", 9)
    const { statuses, clients } = await open(server.url, 1, from("10.0.0.1"))
    expect([statuses, clients[0]?.body]).toEqual([[503], "full: 9 utterances are to be heard before\n"])
    expect((await open(server.url, 1, from("10.0.0.1"), "mode=events")).statuses).toEqual([101])
    expect((await open(server.url, 1, from("10.0.0.2"))).statuses).toEqual([101])
  })

  test("for whole utterances come beside any number of others that say nothing", async () => {
    const { server } = serve({ clock: handClock(), proxyHops: 1, speakersMax: () => 64 })
    expect((await open(server.url, 30, from("10.0.0.1"), "mode=events")).statuses).toEqual(Array(30).fill(101))
    expect((await open(server.url, 1, from("10.0.0.2"))).statuses).toEqual([101])
  })

  test("that talk count as speaking, however small the messages are in which they do", async () => {
    const clock = handClock()
    const { server, tap } = serve({ clock, speakersMax: () => 2 })
    const [talker] = (await open(server.url, 1)).clients
    await clock.advance(COMING_MS)
    talker?.sendFrame(OPCODE.binary, Buffer.alloc(20, 1))
    await tap.seen("connected")
    while (!(await (await fetch(new URL("/metrics", server.url))).text()).includes("xrx_stt_speakers 1\n")) await Bun.sleep(5)
    expect((await open(server.url, 2)).statuses).toEqual([101, 503])
  })

  test("that never say a word keep speakers out for a second only", async () => {
    const clock = handClock()
    const { server } = serve({ clock, speakersMax: () => 2 })
    const idle = await open(server.url, 2)
    expect(idle.statuses).toEqual([101, 101])
    await clock.advance(COMING_MS - 1)
    expect((await open(server.url, 1)).statuses).toEqual([503])
    await clock.advance(1)
    expect((await open(server.url, 1)).statuses).toEqual([101])
  })
})

describe("requests", () => {
  test("are in work no more than sockets may be open, the last place is kept for newcomers, and none is lost when they end", async () => {
    const held = Promise.withResolvers<void>()
    let begun = 0
    const handle = async () => {
      begun++
      await held.promise
      return Response.json({})
    }
    const { server } = serve({ maxSessions: 4, proxyHops: 1, httpDoors: [httpDoor({ handle })] })
    const post = (address: string) => fetch(new URL("/test", server.url), { method: "POST", headers: from(address) })
    const first = [1, 2, 3].map(() => post("10.0.0.1"))
    while (begun < 3) await new Promise((resolve) => setImmediate(resolve))
    const refused = await post("10.0.0.1")
    expect([refused.status, refused.headers.get("retry-after"), await refused.json()]).toMatchObject([503, "1", { reason: "full" }])
    const newcomer = post("10.0.0.2")
    while (begun < 4) await new Promise((resolve) => setImmediate(resolve))
    expect(await (await post("10.0.0.3")).json()).toMatchObject({ message: "full: 4 requests are in work" })
    expect((await open(server.url, 1, from("10.0.0.1"))).statuses).toEqual([101])
    held.resolve()
    expect((await Promise.all([...first, newcomer])).map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect((await post("10.0.0.1")).status).toBe(200)
  })
})

describe("one client", () => {
  test("holds no more sockets and requests than its key may, wherever it comes from; others are not touched", async () => {
    const going = Promise.withResolvers<void>()
    const held = Promise.withResolvers<Response>()
    const handle = () => {
      going.resolve()
      return held.promise
    }
    const { server, tap } = serve({ keys: () => KEYS, perKeyMax: 2, proxyHops: 1, httpDoors: [httpDoor({ handle })] })
    const post = (key: string) => fetch(new URL("/test", server.url), { method: "POST", headers: { ...as(key), ...from("10.9.9.9") } })
    const request = post("a")
    await going.promise
    const sockets = await open(server.url, 2, { ...as("a"), ...from("10.0.0.1") })
    expect(sockets.statuses).toEqual([101, 429])
    const message = "2 sockets and requests at once are the limit of one key"
    expect([sockets.clients[1]?.body, sockets.clients[1]?.headers.get("retry-after")]).toEqual([`${message}\n`, "1"])
    const refused = await post("a")
    expect([refused.status, refused.headers.get("retry-after"), await refused.json()]).toMatchObject([
      429,
      "1",
      { reason: "greedy", message },
    ])
    expect((await open(server.url, 2, as("b"))).statuses).toEqual([101, 101])
    held.resolve(Response.json({}))
    expect((await request).status).toBe(200)
    await tap.seen("request")
    expect((await open(server.url, 1, as("a"))).statuses).toEqual([101])
    expect(await registry.metrics()).toMatch(/^xrx_stt_refusals_total\{door="xrx",reason="greedy"\} [1-9]/m)
  })

  test("without a key is its address, which only a trusted proxy may tell", async () => {
    const behind = serve({ perAddressMax: 1, proxyHops: 1 })
    expect((await open(behind.server.url, 2, from("10.0.0.1"))).statuses).toEqual([101, 429])
    expect((await open(behind.server.url, 1, from("10.0.0.1, 10.0.0.2"))).statuses).toEqual([101])
    expect((await open(behind.server.url, 1, from("made up, 10.0.0.1"))).statuses).toEqual([429])
    const bare = serve({ perAddressMax: 1 })
    expect((await open(bare.server.url, 1, from("10.0.0.1"))).statuses).toEqual([101])
    expect((await open(bare.server.url, 1, from("10.0.0.2"))).statuses).toEqual([429])
  })
})

describe("the address of a client", () => {
  test.each([
    ["10.0.0.1", null, 0, "10.0.0.1"],
    ["10.0.0.1", "9.9.9.9", 0, "10.0.0.1"],
    ["10.0.0.1", null, 1, "10.0.0.1"],
    ["10.0.0.1", "8.8.8.8, 9.9.9.9", 1, "9.9.9.9"],
    ["10.0.0.1", "8.8.8.8, 9.9.9.9", 2, "8.8.8.8"],
    ["10.0.0.1", "9.9.9.9", 2, "10.0.0.1"],
    ["10.0.0.1", "whatever it says", 1, "10.0.0.1"],
    ["::ffff:10.0.0.1", null, 0, "10.0.0.1"],
    ["2001:db8:0:1:aaaa::7", null, 0, "2001:db8:0:1::/64"],
    ["2001:0DB8:0000:0001::8", null, 0, "2001:db8:0:1::/64"],
    ["::1", null, 0, "0:0:0:0::/64"],
    ["::ffff:cb00:7110", null, 0, "203.0.113.16"],
    ["fe80::1%eth0", null, 0, "fe80:0:0:0::/64"],
    ["10.0.0.1", "203.0.113.9:5000", 1, "203.0.113.9"],
    ["10.0.0.1", "[2001:db8::1]:443", 1, "2001:db8:0:0::/64"],
    ["10.0.0.1", '"[2001:db8::1]"', 1, "2001:db8:0:0::/64"],
    ["10.0.0.1", "64:ff9b::192.0.2.33", 1, "64:ff9b:0:0::/64"],
    ["10.0.0.1", "dead.beef.0", 1, "10.0.0.1"],
    ["10.0.0.1", "999.1.1.0", 1, "10.0.0.1"],
    ["10.0.0.1", "", 1, "10.0.0.1"],
  ])("seen as %s, told as %s, behind %d proxies, is %s", (peer, forwarded, hops, address) => {
    expect(clientAddress(peer, forwarded, hops)).toBe(address)
  })
})

test("every answer tells browsers to frame, run, guess and keep nothing", async () => {
  const { server } = serve({ httpDoors: [httpDoor()] })
  for (const [path, method] of [
    ["/", "GET"],
    ["/test", "POST"],
    ["/test", "PUT"],
    ["/nothing", "GET"],
    ["/api/v1/ws", "GET"],
  ] as const) {
    const { headers } = await fetch(new URL(path, server.url), { method })
    expect([path, headers.get("x-content-type-options"), headers.get("x-frame-options")]).toEqual([path, "nosniff", "DENY"])
    expect([headers.get("cache-control"), headers.get("referrer-policy")]).toEqual(["no-store", "no-referrer"])
    expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'")
  }
})
