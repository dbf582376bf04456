export type { Caller, MemoryOperations, OperationsFor, ReadWishes } from './operations.js';
export { refuseTokens } from './client-session.js';
export { RoutedEngine, type RoutedEngineOptions } from './routed-engine.js';
export { consistencyHeader, noForwardHeader, type LocalEngine } from './routed-operations.js';
export type { ClusterView } from './router.js';
export { decide, type Consistency, type Route, type RouteQuestion } from './route.js';
