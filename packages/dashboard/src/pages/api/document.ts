// The server's OpenAPI document as the explorer needs it: a list of operations with their inputs. Pure.

/** JSON Schema, as far as the document uses it. */
export interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly description?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly minItems?: number
  readonly minProperties?: number
}

export interface Parameter {
  readonly name: string
  readonly where: "path" | "query"
  readonly required: boolean
  readonly description: string | null
  readonly schema: Schema
}

export interface ApiOperation {
  readonly id: string
  readonly tag: string
  readonly method: string
  /** Template with `{parameters}`. */
  readonly path: string
  readonly summary: string
  /** Kinds of callers that may knock. */
  readonly access: readonly string[]
  readonly parameters: readonly Parameter[]
  /** Null: it takes no body. */
  readonly body: Schema | null
}

export interface Tag {
  readonly name: string
  readonly description: string
}

export interface ApiDocument {
  readonly tags: readonly Tag[]
  readonly operations: readonly ApiOperation[]
}

interface Content {
  readonly "application/json"?: { readonly schema?: Schema }
}
interface OpenApi {
  readonly tags?: readonly { readonly name: string; readonly description?: string }[]
  readonly paths?: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>
}
interface OpenApiOperation {
  readonly operationId: string
  readonly tags?: readonly string[]
  readonly summary?: string
  readonly "x-weir-access"?: readonly string[]
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly required?: boolean
    readonly description?: string
    readonly schema?: Schema
    readonly content?: Content
  }[]
  readonly requestBody?: { readonly content?: Content }
}

/** What proves the caller is filled in by the explorer. */
const ownParameters: ReadonlySet<string> = new Set(["api_key"])

export function readDocument(document: unknown): ApiDocument {
  const { tags = [], paths = {} } = document as OpenApi
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): ApiOperation => {
      const { operationId, tags: [tag = ""] = [], summary = "", parameters = [], requestBody } = operation
      return {
        id: operationId,
        tag,
        method: method.toUpperCase(),
        path,
        summary,
        access: operation["x-weir-access"] ?? [],
        parameters: parameters.flatMap(({ name, in: where, required, description, schema, content }) =>
          (where !== "path" && where !== "query") || ownParameters.has(name)
            ? []
            : [
                {
                  name,
                  where,
                  required: required === true,
                  description: description ?? null,
                  schema: schema ?? content?.["application/json"]?.schema ?? {},
                },
              ],
        ),
        body: requestBody?.content?.["application/json"]?.schema ?? null,
      }
    }),
  )
  const bySortedId = operations.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  // What apps call comes first, what operators call last.
  const byAudience = tags
    .map(({ name, description = "" }) => ({ name, description }))
    .toSorted((a, b) => Number(a.name === "admin") - Number(b.name === "admin"))
  return { tags: byAudience, operations: bySortedId }
}

/** Whether it is asked of the management API, as the operator, rather than of the app. */
export const isAdmin = ({ access }: Pick<ApiOperation, "access">): boolean => access.includes("operator")

/** Whether it only looks: the others ask before they are sent. Queries that carry a body are sent by POST. */
export const isReading = ({ method, id }: Pick<ApiOperation, "method" | "id">): boolean =>
  method === "GET" ? id !== "ListenToHooks" : method === "POST" && /^(Query|Explain$|InspectToken$)/.test(id)

/** Operations whose name, path or summary holds every word. */
export function search(operations: readonly ApiOperation[], text: string): ApiOperation[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  return operations.filter(({ id, path, summary, method }) => {
    const hay = `${id} ${method} ${path} ${summary}`.toLowerCase()
    return words.every((word) => hay.includes(word))
  })
}
