// The hot path answers from caches without ever leaving the tick: a promise costs more there than the work itself.
// So a step may give its value at once or promise it, and `chain` continues either way.

export type Awaitable<T> = T | Promise<T>

export const isPromise = <T>(value: Awaitable<T>): value is Promise<T> => value instanceof Promise

/** Continues with a value now if it is here, else when it arrives. What `next` throws is thrown or rejected alike. */
export const chain = <T, R>(value: Awaitable<T>, next: (value: T) => Awaitable<R>): Awaitable<R> =>
  isPromise(value) ? value.then(next) : next(value)
