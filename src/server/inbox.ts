/**
 * The messages of one client on their way in: each is read when the one before it was, and one that takes long to read is
 * read in turns of the event loop, so that it holds up nobody else. Knows neither what a message says nor who obeys.
 */
import type { Clock } from "../clock.ts"

export interface InboxOptions<Message, Command> {
  /** What a message asks for: a list is obeyed at once, of an iterator one command a turn. */
  readonly read: (message: Message) => readonly Command[] | Iterator<Command>
  readonly obey: (command: Command) => void
  /** All was read, in a later turn than it came. */
  readonly onIdle: () => void
  /** `read` or `obey` threw in a later turn, where nobody else would catch it. */
  readonly onBroken: (thrown: unknown) => void
  readonly clock: Clock
}

export interface Inbox<Message> {
  /** Keeps a message that has to wait: it MUST NOT change. */
  receive(message: Message): void
  /** Whether a message is being read, or waits. */
  readonly busy: boolean
  /** Resolves when not busy any more, or on close. */
  idle(): Promise<void>
  /** Idempotent: what waits is forgotten. */
  close(): void
}

export function createInbox<Message, Command>(options: InboxOptions<Message, Command>): Inbox<Message> {
  const { read, obey, clock } = options
  let reading: Iterator<Command> | undefined
  let waiting: Message[] = []
  const waiters: (() => void)[] = []
  let cancelTurn: (() => void) | undefined
  let closed = false

  function begin(message: Message) {
    const commands = read(message)
    if (isList(commands)) {
      for (const command of commands) if (!closed) obey(command)
    } else {
      reading = commands
      step()
    }
  }

  /** The next command of the message that is being read; after the last one, the messages that wait. */
  function step() {
    const next = reading?.next()
    if (next && !next.done) {
      cancelTurn = clock.after(0, turn)
      return obey(next.value)
    }
    reading = undefined
    for (let message = waiting.shift(); message !== undefined; message = waiting.shift()) {
      begin(message)
      if (reading) return
    }
    wakeAll()
  }

  function turn() {
    try {
      step()
    } catch (thrown) {
      return options.onBroken(thrown)
    }
    if (!reading && !closed) options.onIdle()
  }

  function wakeAll() {
    for (const wake of waiters.splice(0)) wake()
  }

  return {
    receive(message) {
      if (closed) return
      if (reading) waiting.push(message)
      else begin(message)
    },
    get busy() {
      return reading !== undefined
    },
    idle: () => (reading ? new Promise((resolve) => waiters.push(resolve)) : Promise.resolve()),
    close() {
      closed = true
      cancelTurn?.()
      reading?.return?.()
      reading = undefined
      waiting = []
      wakeAll()
    },
  }
}

function isList<Item>(items: readonly Item[] | Iterator<Item>): items is readonly Item[] {
  return Array.isArray(items)
}
