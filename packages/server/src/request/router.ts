// Finds the route of a method and path. Literal segments win over parameters at every step, so
// `channels/{type}/query` stands beside `channels/{type}/{id}` (contract/README.md, «Query values»).

import { inputError, type Method } from "@weir/protocol"

interface Node<T> {
  literals: Map<string, Node<T>>
  parameter: Node<T> | null
  methods: Map<string, { value: T; names: readonly string[] }>
}

export interface Match<T> {
  readonly value: T
  /** Decoded path parameters by name. */
  readonly params: Record<string, string>
}

export interface Router<T> {
  /** Throws when the place is taken: two operations must not answer at one address. */
  add(method: Method, template: string, value: T): void
  /** Null when nothing answers there. A parameter with a broken escape throws inputError. */
  find(method: string, path: string): Match<T> | null
}

const newNode = <T>(): Node<T> => ({ literals: new Map(), parameter: null, methods: new Map() })

export function createRouter<T>(): Router<T> {
  const root = newNode<T>()
  return {
    add(method, template, value) {
      const names: string[] = []
      let node = root
      for (const segment of template.slice(1).split("/")) {
        const parameter = /^\{(\w+)\}$/.exec(segment)
        if (parameter?.[1]) {
          names.push(parameter[1])
          node.parameter ??= newNode()
          node = node.parameter
        } else {
          let next = node.literals.get(segment)
          if (next === undefined) {
            next = newNode()
            node.literals.set(segment, next)
          }
          node = next
        }
      }
      if (node.methods.has(method)) throw new Error(`two routes answer ${method} ${template}`)
      node.methods.set(method, { value, names })
    },
    find(method, path) {
      const values: string[] = []
      const found = walk(root, method, path, 1, values)
      if (found === null) return null
      const params: Record<string, string> = {}
      for (let i = 0; i < found.names.length; i++) params[found.names[i] as string] = decoded(values[i] as string)
      return { value: found.value, params }
    },
  }
}

function walk<T>(
  node: Node<T>,
  method: string,
  path: string,
  from: number,
  values: string[],
): { value: T; names: readonly string[] } | null {
  if (from > path.length) return node.methods.get(method) ?? null
  const slash = path.indexOf("/", from)
  const end = slash === -1 ? path.length : slash
  const segment = path.slice(from, end)
  const literal = node.literals.get(segment)
  if (literal !== undefined) {
    const found = walk(literal, method, path, end + 1, values)
    if (found !== null) return found
  }
  // An empty segment (`//`, a trailing slash) is nobody's parameter.
  if (node.parameter === null || segment === "") return null
  values.push(segment)
  const found = walk(node.parameter, method, path, end + 1, values)
  if (found === null) values.pop()
  return found
}

function decoded(segment: string): string {
  if (!segment.includes("%")) return segment
  if (segment.includes("%00")) throw inputError("the path must not contain U+0000")
  try {
    return decodeURIComponent(segment)
  } catch {
    throw inputError("the path has a broken percent escape")
  }
}
