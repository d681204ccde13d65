/**
 * Which door a path leads to. Pure. Knows no request.
 */
import type { HttpDoor, SocketDoor } from "../dialects/door.ts"

export interface Route {
  readonly socket: SocketDoor | undefined
  /** For different methods. */
  readonly http: readonly HttpDoor[]
  /** What stood in the place of the `*`, as in the URL. */
  readonly rest: string
}

/** Throws if two doors want the same. */
export function createRoutes(socketDoors: readonly SocketDoor[], httpDoors: readonly HttpDoor[]): (path: string) => Route | undefined {
  const sockets = new Map<string, SocketDoor>()
  const https = new Map<string, HttpDoor[]>()
  for (const door of socketDoors)
    for (const path of door.paths) {
      if (sockets.has(path)) throw new Error(`two sockets at ${path}`)
      sockets.set(path, door)
    }
  for (const door of httpDoors)
    for (const path of door.paths) {
      const others = https.get(path) ?? []
      if (others.some(({ methods }) => methods.some((method) => door.methods.includes(method)))) throw new Error(`two doors at ${path}`)
      https.set(path, [...others, door])
    }
  // The longest first: it says more.
  const prefixes = [...https.keys()].filter((path) => path.endsWith("/*")).sort((a, b) => b.length - a.length)

  return (path) => {
    const socket = sockets.get(path)
    const exact = https.get(path)
    if (socket || exact) return { socket, http: exact ?? [], rest: "" }
    const prefix = prefixes.find((one) => path.startsWith(one.slice(0, -1)))
    return prefix === undefined ? undefined : { socket: undefined, http: https.get(prefix) ?? [], rest: path.slice(prefix.length - 1) }
  }
}
