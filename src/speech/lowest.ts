/** Where a row of values is lowest for a while: the best pause among probabilities of speech or energies. Pure. */

/** How much narrower a stretch is searched within the one found. */
const NARROWER = 3

/**
 * The middle, in values from the start of the row, of those `length` neighbours whose sum is lowest, or rather of the lowest
 * ones among them: the pause may be shorter than the stretch. Of equal places the later. A row may be shorter than `length`.
 */
export function lowestPlace(values: readonly number[], length: number): number {
  let start = 0
  let row = values
  for (let width = Math.min(length, values.length); width > 1; width = Math.floor(width / NARROWER)) {
    const found = lowestStretch(row, width)
    start += found
    row = row.slice(found, found + width)
  }
  return start + row.length / 2
}

/** Index of its first value; of a row of equal ones, that of the one in the middle. */
function lowestStretch(values: readonly number[], width: number): number {
  let lowest = Number.POSITIVE_INFINITY
  let [first, last] = [0, 0]
  for (let start = 0; start + width <= values.length; start++) {
    const sum = values.slice(start, start + width).reduce((total, value) => total + value, 0)
    if (sum > lowest) continue
    if (sum < lowest || start > last + 1) first = start
    last = start
    lowest = sum
  }
  return Math.floor((first + last) / 2)
}
