/** Series over time → slopes, and a picture of them as SVG. Pure. */

export interface Series {
  readonly title: string
  readonly unit: string
  /** In minutes, rising; the same for all. */
  readonly minutes: readonly number[]
  readonly values: readonly number[]
}

/** By least squares, of a straight line through what is behind the first tenth: until then caches fill. 0 for a single look. */
export function slopePerHour({ minutes, values }: Series): number {
  const from = Math.floor(minutes.length / 10)
  const xs = minutes.slice(from)
  const ys = values.slice(from)
  const meanX = mean(xs)
  const meanY = mean(ys)
  const spread = xs.reduce((total, x) => total + (x - meanX) ** 2, 0)
  const together = xs.reduce((total, x, at) => total + (x - meanX) * ((ys[at] ?? 0) - meanY), 0)
  return spread === 0 ? 0 : (together / spread) * 60
}

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length
}

const WIDTH = 900
const PANEL_HEIGHT = 170
const LEFT = 70
const TOP = 34
const PLOT_WIDTH = WIDTH - LEFT - 20
const PLOT_HEIGHT = PANEL_HEIGHT - TOP - 24

/** One panel below the other, each from 0 to its highest value. */
export function svgOf(all: readonly Series[]): string {
  const panels = all.map((series, at) => `<g transform="translate(0 ${at * PANEL_HEIGHT})">${panel(series)}</g>`)
  const height = all.length * PANEL_HEIGHT
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">`
  const title = `<title>${all.map((series) => series.title).join(", ")} over time</title>`
  return `${head}\n${title}\n<rect width="100%" height="100%" fill="white"/>\n${panels.join("\n")}\n</svg>\n`
}

function panel(series: Series): string {
  const { title, unit, minutes, values } = series
  const top = Math.max(1, ...values) * 1.1
  const end = Math.max(...minutes, 0.001)
  const x = (minute: number) => LEFT + (minute / end) * PLOT_WIDTH
  const y = (value: number) => TOP + PLOT_HEIGHT * (1 - value / top)
  const line = values.map((value, at) => `${x(minutes[at] ?? 0).toFixed(1)},${y(value).toFixed(1)}`).join(" ")
  const slope = slopePerHour(series)
  const [left, bottom, right] = [LEFT, TOP + PLOT_HEIGHT, LEFT + PLOT_WIDTH]
  return [
    `<text x="${left}" y="18">${title}: ${slope >= 0 ? "+" : ""}${slope.toFixed(2)} ${unit} per hour</text>`,
    `<path d="M${left} ${TOP}V${bottom}H${right}" fill="none" stroke="gray"/>`,
    `<text x="${left - 6}" y="${y(0)}" text-anchor="end">0</text>`,
    `<text x="${left - 6}" y="${TOP + 8}" text-anchor="end">${top.toFixed(0)} ${unit}</text>`,
    `<text x="${right}" y="${bottom + 16}" text-anchor="end">${end.toFixed(1)} min</text>`,
    `<polyline points="${line}" fill="none" stroke="#1f5fbf" stroke-width="1.5"/>`,
  ].join("")
}
