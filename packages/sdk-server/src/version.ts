/** Version of this package, as its package.json says; a test compares the two. */
export const version = "0.1.0"
