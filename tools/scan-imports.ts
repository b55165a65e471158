// Reads which modules a source text names. A small tokenizer and no more: the native TypeScript compiler offers no
// scanner to scripts, and a plain search would take comments and strings for imports.

/** A statement or call that names another module. */
export interface Import {
  /** As written; null when it is computed. */
  readonly specifier: string | null
  readonly line: number
  /** Names as the other module exports them, `*` for all of them; empty for calls and side effects. */
  readonly names: readonly string[]
}

/**
 * Every import, re-export, dynamic import, require and module augmentation of a source text, type-only ones too.
 * Comments, strings, template texts and regular expressions do not fool it.
 */
export const scanImports = (source: string): Import[] => importsIn(tokenize(source))

/** As `scanImports`, for a text whose tokens are at hand. */
export function importsIn(tokens: readonly Token[]): Import[] {
  const found: Import[] = []
  tokens.forEach((token, index) => {
    const before = tokens[index - 1]
    if (token.kind !== "word" || isMark(before, ".") || isMark(before, "?.")) return
    const next = tokens[index + 1]
    const { text, line } = token
    if ((text === "import" || text === "require") && isMark(next, "(")) {
      if (isDeclaration(tokens, index + 1)) return
      found.push({ specifier: soleText(tokens, index + 2), line, names: [] })
    } else if (next?.kind === "string" && (text === "import" || (text === "module" && isWord(before, "declare")))) {
      found.push({ specifier: next.text, line, names: [] })
    } else if (text === "import" || text === "export") {
      const clause = clauseAt(tokens, index + 1)
      if (clause !== null) found.push({ ...clause, line })
    }
  })
  return found
}

export const isMark = (token: Token | undefined, text: string): boolean => token?.kind === "mark" && token.text === text

export const isWord = (token: Token | undefined, text: string): boolean => token?.kind === "word" && token.text === text

/** Whether the brackets that open at `start` are followed by a body: a method of that name is declared, not called. */
function isDeclaration(tokens: readonly Token[], start: number): boolean {
  let depth = 0
  for (let index = start; index < tokens.length; index++) {
    if (isMark(tokens[index], "(")) depth++
    if (isMark(tokens[index], ")") && --depth === 0) return isMark(tokens[index + 1], "{")
  }
  return false
}

/** The text of an argument that is one string or template and nothing else; null when it is computed. */
function soleText(tokens: readonly Token[], index: number): string | null {
  const argument = tokens[index]
  if (argument?.kind !== "string" && argument?.kind !== "template") return null
  return isMark(tokens[index + 1], ")") || isMark(tokens[index + 1], ",") ? argument.text : null
}

/** Reads `{ a, type b as c } from "x"` and its kin; null when the statement names no module. */
function clauseAt(tokens: readonly Token[], start: number): Pick<Import, "specifier" | "names"> | null {
  const names: string[] = []
  for (let index = start; index < tokens.length; index++) {
    const token = tokens[index] as Token
    const next = tokens[index + 1]
    if (isWord(token, "from") && next?.kind === "string") return { specifier: next.text, names }
    const isName = token.kind === "word" || token.kind === "string"
    if (!isName && !["{", "}", ",", "*"].some((text) => isMark(token, text))) return null
    // After a closed brace only `from` may follow; else the next statement would be read as part of this one.
    if (isMark(token, "}") && !isWord(next, "from")) return null
    const isRenaming = isWord(token, "as") || isWord(tokens[index - 1], "as")
    if (isMark(token, "*") || (isName && !isRenaming)) names.push(token.text)
  }
  return null
}

/** The smallest piece of a source text that means something. */
export interface Token {
  readonly kind: "word" | "string" | "template" | "number" | "regex" | "mark"
  /** Without quotes for a string. */
  readonly text: string
  readonly line: number
}

const blank = /\s+|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/y
const templateText = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y
const mark = /\?\.(?!\d)|\.\.\.|[\s\S]/y
// In this order: a word may not begin with a digit, nor a number with a letter.
const values: readonly (readonly [Token["kind"], RegExp])[] = [
  ["word", /[\p{ID_Start}$_#@][\p{ID_Continue}$\u200c\u200d]*/uy],
  ["string", /"(?:[^"\\\n]|\\[\s\S])*"?|'(?:[^'\\\n]|\\[\s\S])*'?/y],
  ["number", /\.?\d[\w.]*/y],
  ["regex", /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y],
]
const wordsBeforeRegex = /^(return|typeof|case|in|of|do|else|void|delete|throw|new|instanceof|await|yield|default)$/

/** A regular expression may begin after a mark that ends no value, and after a word that expects one. */
function mayBeginRegex(previous: Token | undefined): boolean {
  if (previous === undefined) return true
  if (previous.kind === "mark") return previous.text !== ")" && previous.text !== "]"
  return previous.kind === "word" && wordsBeforeRegex.test(previous.text)
}

/** Splits a source text into tokens; comments are left out. Never fails: what is no TypeScript comes out as marks. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = []
  // For each open `${`, how many braces are open inside of it.
  const substitutions: number[] = []
  let at = 0
  let line = 1

  /** Steps over what the pattern matches here, which is "" when it matches nothing. */
  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at
    const text = pattern.exec(source)?.[0] ?? ""
    at += text.length
    for (const char of text) if (char === "\n") line++
    return text
  }
  const takeValue = (): boolean => {
    const start = line
    for (const [kind, pattern] of values) {
      if (kind === "regex" && !mayBeginRegex(tokens.at(-1))) continue
      const text = take(pattern)
      if (text === "") continue
      tokens.push({ kind, text: kind === "string" ? unquoted(text) : text, line: start })
      return true
    }
    return false
  }
  /** The text of a template up to its end or its next `${`. */
  const takeTemplate = () => {
    const start = line
    const text = take(templateText)
    const opens = source.startsWith("${", at)
    at += opens ? 2 : 1
    if (opens) substitutions.push(0)
    tokens.push({ kind: "template", text, line: start })
  }

  while (at < source.length) {
    if (take(blank) !== "" || takeValue()) continue
    const char = source[at]
    const depth = substitutions.length - 1
    if (char === "`" || (char === "}" && substitutions[depth] === 0)) {
      if (char === "}") substitutions.pop()
      at++
      takeTemplate()
      continue
    }
    if (depth >= 0 && char === "{") substitutions[depth] = (substitutions[depth] as number) + 1
    if (depth >= 0 && char === "}") substitutions[depth] = (substitutions[depth] as number) - 1
    tokens.push({ kind: "mark", line, text: take(mark) })
  }
  return tokens
}

/** A string that does not end stops at its line, so it may lack the second quote. */
const unquoted = (text: string): string =>
  text.slice(1, text.length > 1 && text.endsWith(text[0] as string) ? -1 : undefined)
