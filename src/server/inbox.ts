/**
 * The messages of one client on their way in: each is read when the one before it was, and one that takes long to read, or so
 * many at once that they do, are read in turns of the event loop, so that they hold up nobody else. Knows neither what a message
 * says nor who obeys. What waits is what the socket had read before it was paused.
 */
import type { Clock } from "../clock.ts"

/** Messages that are read in one turn: tiny utterances cost 20 µs each, and there may be 60,000 in what a socket reads at once. */
export const TURN_MESSAGES_MAX = 64

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
  /** Whether the next message would have to wait. */
  readonly full: boolean
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
  /** Of those that wait, how many were begun: to shift each would move all. */
  let first = 0
  /** In this turn. */
  let begun = 0
  const waiters: (() => void)[] = []
  let cancelTurn: (() => void) | undefined
  let closed = false

  function begin(message: Message) {
    if (begun++ === 0) cancelTurn ??= clock.after(0, turn)
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
      cancelTurn ??= clock.after(0, turn)
      return obey(next.value)
    }
    reading = undefined
    while (begun < TURN_MESSAGES_MAX && first < waiting.length) {
      begin(waiting[first++] as Message)
      if (reading) return
    }
    if (first < waiting.length) return
    waiting = []
    first = 0
    wakeAll()
  }

  function turn() {
    const wasBusy = isBusy()
    cancelTurn = undefined
    begun = 0
    try {
      step()
    } catch (thrown) {
      return options.onBroken(thrown)
    }
    if (wasBusy && !isBusy() && !closed) options.onIdle()
  }

  const isBusy = () => reading !== undefined || first < waiting.length

  function wakeAll() {
    for (const wake of waiters.splice(0)) wake()
  }

  const inbox: Inbox<Message> = {
    receive(message) {
      if (closed) return
      if (inbox.full) waiting.push(message)
      else begin(message)
    },
    get full() {
      return isBusy() || begun === TURN_MESSAGES_MAX
    },
    get busy() {
      return isBusy()
    },
    idle: () => (isBusy() ? new Promise((resolve) => waiters.push(resolve)) : Promise.resolve()),
    close() {
      closed = true
      cancelTurn?.()
      reading?.return?.()
      reading = undefined
      waiting = []
      first = 0
      wakeAll()
    },
  }
  return inbox
}

function isList<Item>(items: readonly Item[] | Iterator<Item>): items is readonly Item[] {
  return Array.isArray(items)
}
