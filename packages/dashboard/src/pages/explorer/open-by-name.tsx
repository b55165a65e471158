// Opens one thing by its name, «type:id», where the API has no list of them.

import { Button, Group, TextInput } from "@mantine/core"
import { type FormEvent, useState } from "react"
import { useLocation } from "wouter"

export interface OpenByNameProps {
  label: string
  placeholder: string
  /** The address of the page of what is named. */
  addressOf: (name: Name) => string
}

export interface Name {
  /** Type of a channel or call, group of a feed. */
  readonly type: string
  readonly id: string
}

const nameCharsMax = 400

/** Splits «type:id»; null when it is no such name. */
export function nameOf(text: string): Name | null {
  const [, type, id] = /^([\w-]+):(!?[\w@:-]+)$/.exec(text.trim()) ?? []
  return type === undefined || id === undefined ? null : { type, id }
}

/** The end of an address that names it. */
export const namePath = ({ type, id }: Name): string => `/${encodeURIComponent(type)}/${encodeURIComponent(id)}`

export function OpenByName({ label, placeholder, addressOf }: OpenByNameProps) {
  const [, go] = useLocation()
  const [text, setText] = useState("")
  const [error, setError] = useState<string | null>(null)
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    const name = nameOf(text)
    if (name === null) setError(`Write it as ${placeholder}`)
    else go(addressOf(name))
  }
  return (
    <form onSubmit={submit} noValidate>
      <Group align="flex-start" gap="xs" mb="md">
        <TextInput
          label={label}
          placeholder={placeholder}
          value={text}
          onChange={(event) => {
            setText(event.currentTarget.value)
            setError(null)
          }}
          error={error}
          maxLength={nameCharsMax}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          w={{ base: "100%", xs: 320 }}
          required
        />
        <Button type="submit" variant="default" mt={{ base: 0, xs: 25 }}>
          Open
        </Button>
      </Group>
    </form>
  )
}
