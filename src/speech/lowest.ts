/** Where a row of values is lowest for a while: the best pause among probabilities of speech or energies. Pure. */

/**
 * The middle, in values from the start of the row, of those `length` neighbours whose sum is lowest; of equal ones the later.
 * A row shorter than that is one stretch.
 */
export function lowestStretch(values: readonly number[], length: number): number {
  const width = Math.min(length, values.length)
  let sum = values.slice(0, width).reduce((total, value) => total + value, 0)
  let lowest = sum
  let lowestEnd = width
  for (let end = width + 1; end <= values.length; end++) {
    sum += (values[end - 1] as number) - (values[end - 1 - width] as number)
    if (sum > lowest) continue
    lowest = sum
    lowestEnd = end
  }
  return lowestEnd - width / 2
}
