/**
 * The few calls of the C library that Bun has no word for. Knows nothing of ONNX Runtime or of folders.
 * Undefined on Windows, where none of them exists under these names.
 */
import { dlopen, FFIType, type Pointer, read } from "bun:ffi"

export interface Libc {
  /**
   * Sets a variable in the environment that native code sees. Bun does not pass assignments to process.env on to it:
   * https://github.com/oven-sh/bun/issues/42891
   */
  setenv(name: string, value: string): void
  /** Loads a library for good. The linker's own sentence if it cannot be loaded, else null. */
  load(path: string): string | null
  /** A file that exists in memory only and can be executed; its descriptor, or null if the kernel grants none. Linux only. */
  memoryFile(name: string): number | null
  /** Gives memory that native code freed back to the system, but for `keepBytes` at the end of the heap. Linux only; else does nothing. */
  trim(keepBytes: number): void
  /** Has the kernel kill this process when the one that started it ends, however that happens. Linux only; else does nothing. */
  killWithParent(): void
  /** To a Unix socket, by its path or, behind an `@`, its abstract name. False if it takes none. Linux only. */
  sendDatagram(path: string, text: string): boolean
  /** Takes the lock of an open file, which ends with this process at the latest. */
  lock(fd: number): "taken" | "busy" | "unsupported"
}

const RTLD_NOW = 2
const LOCK_EX = 2
const LOCK_NB = 4
const PR_SET_PDEATHSIG = 1
const SIGKILL = 9
const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const MSG_NOSIGNAL = 0x4000
const LINUX = process.platform === "linux"
const EWOULDBLOCK = LINUX ? 11 : 35
const ERRNO = LINUX ? "__errno_location" : "__error"

let opened: Libc | undefined

/** Opened at the first call: a start that needs none of it pays nothing. */
export function openLibc(): Libc | undefined {
  if (process.platform === "win32") return undefined
  opened ??= bindLibc()
  return opened
}

function bindLibc(): Libc {
  const { i32, i64, ptr, u32, u64, cstring } = FFIType
  const { symbols } = dlopen(LINUX ? "libc.so.6" : "libSystem.B.dylib", {
    setenv: { args: [ptr, ptr, i32], returns: i32 },
    dlopen: { args: [ptr, i32], returns: ptr },
    dlerror: { args: [], returns: cstring },
    flock: { args: [i32, i32], returns: i32 },
    [ERRNO]: { args: [], returns: ptr },
  })
  const mallocTrim = LINUX ? dlopen("libc.so.6", { malloc_trim: { args: [u64], returns: i32 } }).symbols.malloc_trim : undefined
  return {
    setenv(name, value) {
      if (symbols.setenv(cString(name), cString(value), 1) !== 0) throw new Error(`cannot set ${name} in the native environment`)
    },
    load(path) {
      return symbols.dlopen(cString(path), RTLD_NOW) === null ? String(symbols.dlerror()) : null
    },
    memoryFile(name) {
      if (!LINUX) return null
      const { symbols: linux } = dlopen("libc.so.6", { memfd_create: { args: [ptr, u32], returns: i32 } })
      const fd = linux.memfd_create(cString(name), 0)
      return fd < 0 ? null : fd
    },
    trim(keepBytes) {
      mallocTrim?.(keepBytes)
    },
    killWithParent() {
      if (!LINUX) return
      const { symbols: linux } = dlopen("libc.so.6", { prctl: { args: [i32, u64, u64, u64, u64], returns: i32 } })
      linux.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    },
    sendDatagram(path, text) {
      if (!LINUX) return false
      const { symbols: linux } = dlopen("libc.so.6", {
        socket: { args: [i32, i32, i32], returns: i32 },
        sendto: { args: [i32, ptr, u64, i32, ptr, u32], returns: i64 },
        close: { args: [i32], returns: i32 },
      })
      const fd = linux.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
      if (fd < 0) return false
      const bytes = Buffer.from(text)
      const address = socketAddress(path)
      const sent = Number(linux.sendto(fd, bytes, bytes.length, MSG_NOSIGNAL, address, address.length))
      linux.close(fd)
      return sent === bytes.length
    },
    lock(fd) {
      if (symbols.flock(fd, LOCK_EX | LOCK_NB) === 0) return "taken"
      return read.i32((symbols[ERRNO] as unknown as () => Pointer)()) === EWOULDBLOCK ? "busy" : "unsupported"
    },
  }
}

/** As `struct sockaddr_un`: the family, and the path or, of an abstract name, a zero byte and the name. */
function socketAddress(path: string): Buffer {
  const family = Buffer.from(new Uint16Array([AF_UNIX]).buffer)
  return Buffer.concat([family, path.startsWith("@") ? Buffer.from(`\0${path.slice(1)}`) : cString(path)])
}

const cString = (text: string) => Buffer.from(`${text}\0`)
