import { destination, pino, type Logger } from 'pino';
import { PinoPretty } from 'pino-pretty';
import type { Config } from '../config/index.js';

/**
 * The log of the process, on standard error: what is on standard output is an answer. Written at once, so that the
 * last words of a process that ends are not lost in a buffer.
 */
export function createLog({ level, format }: Config['log'], { onTerminal, colours }: { readonly onTerminal: boolean; readonly colours: boolean }): Logger {
  const options = { level, base: {}, timestamp: () => `,"time":"${new Date().toISOString()}"`, formatters: { level: (label: string) => ({ level: label }) } };
  const pretty = format === 'pretty' || (format === 'auto' && onTerminal);
  if (!pretty) return pino(options, destination({ dest: 2, sync: true }));
  return pino(options, PinoPretty({ destination: 2, sync: true, colorize: colours, translateTime: 'SYS:HH:MM:ss.l' }));
}
