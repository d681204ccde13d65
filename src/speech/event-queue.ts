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
  const queued: Event[] = []
  let ended = false
  let wake = () => {}

  const iterator: AsyncIterator<Event, undefined> = {
    // The reader takes its event when it wakes, not when it is woken: what is cut in between reaches nobody.
    async next() {
      while (queued.length === 0 && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return queued.length > 0 ? { done: false, value: queued.shift() as Event } : { done: true, value: undefined }
    },
  }

  return {
    push(event) {
      if (ended) return
      queued.push(event)
      wake()
    },
    end() {
      ended = true
      wake()
    },
    cut() {
      queued.length = 0
      ended = true
      wake()
    },
    events: { [Symbol.asyncIterator]: () => iterator },
  }
}
