/** What the operating system says about a process and a directory. */
import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const TICKS_PER_SECOND = 100;

/** Processor seconds, user and system, all threads; undefined where there is no /proc. */
export function processorSeconds(pid: number): number | undefined {
  try {
    // The second field is the name in parentheses, which may hold spaces; utime and stime are the 14th and 15th.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return undefined;
  }
}

export interface ResidentBytes {
  readonly total: number;
  /** Without the pages of mapped files, which the system can drop at any time; undefined where there is no /proc. */
  readonly anonymous?: number;
}

export function residentBytes(pid: number): ResidentBytes {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? NaN);
    return { total: kib('VmRSS') * 1_024, anonymous: kib('RssAnon') * 1_024 };
  } catch {
    return { total: Number(execFileSync('ps', ['-o', 'rss=', '-p', `${pid}`], { encoding: 'utf8' }).trim()) * 1_024 };
  }
}

/** Bytes a directory takes on the disk: allocated blocks, because the files of the store may have holes. */
export function diskBytes(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) bytes += diskBytes(path);
    else bytes += lstatSync(path).blocks * 512;
  }
  return bytes;
}

/**
 * Bytes that a process has sent on the TCP connections it has now, without headers; those to clients of its own port
 * `except` are left out. Undefined where `ss` of iproute2 is missing.
 */
export function tcpBytesSent(pid: number, except: number): number | undefined {
  try {
    return sentOnConnections(execFileSync('ss', ['-tinpH'], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }), pid, except);
  } catch {
    return undefined;
  }
}

/** @param connections as `ss -tinpH` prints them: a line for each with its process, then an indented one with its counters */
export function sentOnConnections(connections: string, pid: number, except: number): number {
  let sent = 0;
  let counts = false;
  for (const line of connections.split('\n')) {
    if (/^\S/.test(line)) {
      const local = line.split(/\s+/)[3] ?? '';
      counts = line.includes(`pid=${pid},`) && !local.endsWith(`:${except}`);
    } else if (counts) {
      sent += Number(/\bbytes_sent:(\d+)/.exec(line)?.[1] ?? 0);
    }
  }
  return sent;
}
