export { createHttpServer, type HttpServerOptions } from './server.js';
export type { HttpEngine, HttpServer } from './context.js';
export { resolveHttpLimits, type HttpLimits } from './limits.js';
