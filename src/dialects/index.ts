/**
 * The ways in, each with its dialect: a further one is a line here. The one list that the server reads; knows nothing of what
 * is said behind a door.
 */
import { listenDoor, listenSocketDoor } from "./deepgram/door.ts"
import type { HttpDoor, SocketDoor } from "./door.ts"
import { openAiDoors } from "./openai/doors.ts"
import { ownDoor } from "./own-door.ts"
import { realtimeDoor } from "./realtime/door.ts"
import { voskDoor } from "./vosk.ts"

export const SOCKET_DOORS: readonly SocketDoor[] = [ownDoor, realtimeDoor, listenSocketDoor, voskDoor]

export const HTTP_DOORS: readonly HttpDoor[] = [...openAiDoors, listenDoor]
