export { newTask } from "./rules.ts"
export { createTaskRunner, type StepResult, type TaskHandler, type TaskRunner } from "./runner.ts"
export { insertTask } from "./store.ts"
