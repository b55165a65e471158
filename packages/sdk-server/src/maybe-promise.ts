/** What a function of the backend's own may give: at once, or later. */
export type MaybePromise<T> = T | Promise<T>
