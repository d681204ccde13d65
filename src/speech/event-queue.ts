/**
 * Events on their way from a stream to its one reader. Knows neither.
 */

export interface EventQueue<Event> {
  /** Ignored once ended. */
  push(event: Event): void
  /** The reader gets what is queued, then the end. */
  end(): void
  /** The reader gets the end at once; what is queued is dropped. */
  cut(): void
  /** For one reader. Leaving a loop early loses nothing: the next loop goes on where it stopped. */
  readonly events: AsyncIterable<Event>
}

export function createEventQueue<Event>(): EventQueue<Event> {
  let ended = false
  /** One of the two is always empty. */
  const queued: Event[] = []
  const readers: Array<(result: IteratorResult<Event, undefined>) => void> = []

  const iterator: AsyncIterator<Event, undefined> = {
    next() {
      if (queued.length > 0) return Promise.resolve({ done: false, value: queued.shift() as Event })
      if (ended) return Promise.resolve({ done: true, value: undefined })
      return new Promise((resolve) => readers.push(resolve))
    },
  }
  function end() {
    ended = true
    for (const reader of readers.splice(0)) reader({ done: true, value: undefined })
  }

  return {
    push(event) {
      if (ended) return
      const reader = readers.shift()
      if (reader) reader({ done: false, value: event })
      else queued.push(event)
    },
    end,
    cut() {
      queued.length = 0
      end()
    },
    events: { [Symbol.asyncIterator]: () => iterator },
  }
}
