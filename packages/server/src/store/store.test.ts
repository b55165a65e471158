import { storeSuite, testBackends } from "../../../../contract/suites/store/index.ts"

for (const backend of testBackends()) storeSuite(backend)
