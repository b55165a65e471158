// «Did you mean …»: the known word nearest to a mistyped one. Used for names of settings and of commands.

/**
 * The candidate with the fewest single-character edits (insert, delete, replace, swap of neighbours) from `word`, or
 * null when all need more than `editsMax`. Case does not count. Of equal candidates the first is taken.
 */
export function nearest(word: string, candidates: readonly string[], editsMax: number): string | null {
  const wanted = word.toLowerCase()
  let best: string | null = null
  let bestEdits = editsMax + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestEdits) continue
    const edits = editsBetween(wanted, candidate.toLowerCase())
    if (edits < bestEdits) {
      best = candidate
      bestEdits = edits
    }
  }
  return best
}

// Optimal string alignment: Levenshtein's table with one more case for two swapped neighbours. Three rows suffice.
function editsBetween(from: string, to: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      let edits = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + (same ? 0 : 1),
      )
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      if (swapped) edits = Math.min(edits, at(beforePrevious, column - 2) + 1)
      current.push(edits)
    }
    beforePrevious = previous
    previous = current
  }
  return at(previous, to.length)
}

const at = (row: readonly number[], column: number): number => row[column] ?? Number.POSITIVE_INFINITY
