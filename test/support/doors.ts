/**
 * Doors of dialects that do not exist, whose refusals are JSON, so that a test can tell who worded what.
 */
import type { Dialect } from "../../src/dialects/dialect.ts"
import type { HttpDoor, Opening, SocketDoor, WordRefusal } from "../../src/dialects/door.ts"

/** `{"by": name, "reason": …, "message": …, "id": …}`. */
export function wordedBy(name: string): WordRefusal {
  return ({ reason, status, message }, { requestId }) => Response.json({ by: name, reason, message, id: requestId }, { status })
}

/** A dialect that hears 16 kHz PCM and ends an utterance with each message; it says `finals` and nothing else. */
export function plainDialect(more: Partial<Dialect> = {}): Dialect {
  return {
    stream: { language: "en", endpointing: null, interims: false, words: false },
    greet: () => [],
    readBytes: (bytes) => [{ type: "accept", samples: new Int16Array(bytes.slice().buffer) }, { type: "commit" }],
    readText: () => [],
    write: (event) => (event.type === "final" ? [event.text] : []),
    finished: () => [],
    fail: () => [],
    close() {},
    ...more,
  }
}

export function socketDoor(more: Partial<SocketDoor> & { readonly dialect?: Partial<Dialect> } = {}): SocketDoor {
  const { dialect, ...door } = more
  const opening: Opening = { ok: true, label: "test", dialect: () => plainDialect(dialect), paced: false }
  return { name: "test", paths: ["/test"], messageMax: 1000, open: () => opening, refuse: wordedBy("socket"), ...door }
}

export function httpDoor(more: Partial<HttpDoor> = {}): HttpDoor {
  return { name: "test", methods: ["POST"], paths: ["/test"], handle: () => Response.json({}), refuse: wordedBy("http"), ...more }
}
