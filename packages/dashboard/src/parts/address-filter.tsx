// Filters that stand in the address, so that what was found can be linked to.

import { TextInput, type TextInputProps } from "@mantine/core"
import { useDebouncedCallback } from "@mantine/hooks"
import { useEffect, useState } from "react"
import { useSearchParams } from "wouter"

const settleMs = 300

/** One parameter of the address; empty when it is absent. */
export function useFilter(name: string): [value: string, set: (value: string) => void] {
  const [parameters, setParameters] = useSearchParams()
  const set = (value: string): void =>
    setParameters(
      (before) => {
        const after = new URLSearchParams(before)
        if (value === "") after.delete(name)
        else after.set(name, value)
        return after
      },
      { replace: true },
    )
  return [parameters.get(name) ?? "", set]
}

/** Whether a filter of users' ids can find anything: letters, digits, @, _ and -, up to 255. */
export const isUserIdLike = (text: string): boolean => /^[@\w-]{1,255}$/.test(text)
export const userIdRule = "letters, digits, @, _ and -"

export interface FilterInputProps extends Omit<TextInputProps, "value" | "onChange"> {
  /** The parameter of the address. */
  parameter: string
  label: string
}

/** A text that filters once the typing rests. */
export function FilterInput({ parameter, ...props }: FilterInputProps) {
  const [value, set] = useFilter(parameter)
  const [typed, setTyped] = useState(value)
  const settle = useDebouncedCallback(set, settleMs)
  // The address may change by itself: back, or a link to the same page.
  useEffect(() => setTyped(value), [value])
  return (
    <TextInput
      size="sm"
      spellCheck={false}
      autoComplete="off"
      {...props}
      value={typed}
      onChange={(event) => {
        const text = event.currentTarget.value
        setTyped(text)
        settle(text.trim())
      }}
    />
  )
}
