// Errors of the store that callers may want to tell apart.

/** Two rows would have the same key. Nothing of the transaction was written. */
export class UniqueViolation extends Error {
  override readonly name = "UniqueViolation"
  readonly table: string
  /** Columns of the key, as far as the database names them. */
  readonly columns: readonly string[]
  /** Name of the index or constraint, when the database tells it. */
  readonly constraint: string | null

  constructor(table: string, columns: readonly string[], constraint: string | null, cause: unknown) {
    super(`a row with the same ${columns.join(", ") || constraint} is already in ${table || "the table"}`, { cause })
    this.table = table
    this.columns = columns
    this.constraint = constraint
  }
}

/** The database and the program do not fit together; the message tells the operator what to do. */
export class MigrationError extends Error {
  override readonly name = "MigrationError"
}

/** Another process uses the data folder. */
export class DataDirLocked extends Error {
  override readonly name = "DataDirLocked"
}
