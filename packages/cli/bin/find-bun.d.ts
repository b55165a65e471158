/** Path of the Bun executable as seen from a module (`import.meta.url`), or null when its package is not installed. */
export function findBun(from?: string): string | null
/** Runs Bun with the given arguments, passes signals on, and ends this process with its exit code. */
export function runBun(args: readonly string[]): void
