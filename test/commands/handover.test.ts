/** A new program on the port of the old one, as an operator brings it: two processes, clients all the while. */
import { afterEach, expect, test } from "bun:test"
import { type Client, connect, socketUrl } from "../support/client.ts"
import { clip, words } from "../support/clips.ts"
import { type Replica, startReplica } from "../support/replica.ts"

const SETTINGS = { HOST: "127.0.0.1", STT_ENGINES: "1", STT_MAX_SPEAKERS: "0", STT_MIN_REPLY_MS: "0" }
const CLIENTS = 4
const LIMIT_MS = 60_000

const started: Replica[] = []
afterEach(() => {
  for (const replica of started.splice(0)) replica.kill()
})

function start(settings: Readonly<Record<string, string>>): Replica {
  const replica = startReplica({ ...SETTINGS, ...settings })
  started.push(replica)
  return replica
}

test(
  "while a new server takes the port of the old one over, every utterance is answered once and nobody is refused",
  async () => {
    const sound = new Uint8Array((await clip("arctic_a0009")).slice().buffer)
    const old = start({ PORT: "0", STT_REUSE_PORT: "1" })
    const port = await old.port
    const url = socketUrl(new URL(`http://127.0.0.1:${port}`))
    const over = new AbortController()
    const answers: string[] = []
    const [asked, moved, refused] = [Array(CLIENTS).fill(0), Array(CLIENTS).fill(0), Array(CLIENTS).fill(0)]

    async function speakUntilOver(who: number) {
      let client: Client | undefined
      while (!over.signal.aborted) {
        client ??= await connect(url).catch(() => {
          refused[who]++
          return undefined
        })
        if (!client) continue
        asked[who]++
        client.send(sound)
        const answer = await client.next().catch(() => undefined)
        if (answer !== undefined) {
          answers.push(answer)
          continue
        }
        // Not taken in any more: nothing of it was heard, and it is asked again.
        expect(await client.closed).toMatchObject({ code: 1001 })
        asked[who]--
        moved[who]++
        client = undefined
      }
      client?.close()
    }

    const speaking = Array.from({ length: CLIENTS }, (_, who) => speakUntilOver(who))
    const fresh = start({ PORT: String(port), STT_REUSE_PORT: "1" })
    expect(await fresh.port).toBe(port)
    expect(await old.stop()).toBe(0)
    expect(old.logged("disconnected").map(({ unanswered }) => unanswered)).toEqual(Array(CLIENTS).fill(0))
    const toldBefore = answers.length
    while (answers.length < toldBefore + CLIENTS) await Bun.sleep(10)
    over.abort()
    await Promise.all(speaking)
    expect(answers).toHaveLength(asked.reduce((a, b) => a + b))
    for (const answer of answers) expect(words(answer)).toBe("he turned sharply and faced gregson across the table")
    expect({ moved, refused }).toEqual({ moved: Array(CLIENTS).fill(1), refused: Array(CLIENTS).fill(0) })
    expect(await fresh.stop()).toBe(0)
  },
  LIMIT_MS,
)

test(
  "two servers do not share a port that only one of them was told to share",
  async () => {
    const first = start({ PORT: "0" })
    const second = start({ PORT: String(await first.port), STT_REUSE_PORT: "1" })
    await expect(second.port).rejects.toThrow("is taken by another program")
  },
  LIMIT_MS,
)
