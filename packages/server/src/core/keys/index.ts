export { createKeyStates, type KeyStates, readJwks, signingKeyOf } from "./cache.ts"
export { type NewKey, newKey } from "./rules.ts"
export {
  insertKey,
  insertMasterKeyCheck,
  insertSecret,
  selectKey,
  selectKeysOfApp,
  selectMasterKeyCheck,
} from "./store.ts"
