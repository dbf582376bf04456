/**
 * The data directory: who owns it, and which node it belongs to.
 *
 * ```text
 * data/
 *   engram.lock   held by the running process through a kernel lock, released by its death however it dies
 *   node.json     the identity of the node, written once
 *   swim-epoch    of the latest start of a node of a cluster; written by membership
 *   swim-peers.json  where other nodes were last; written by membership, and nothing is lost without it
 *   cluster.json  the cluster that the node belongs to, or what it promised while one was formed; written by membership
 *   wal/          the write-ahead log: what was acknowledged
 *   store/        the embedded store: what the log has been applied to
 *   cluster/      which disk this is, and what it promised to the cluster; a log of its own
 * ```
 */
import { mkdir, open, readdir, readFile, stat, type FileHandle } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { EngramError, parseNodeId, type NodeId, type Random } from '@engram/kernel';
import { writeDurably } from '../durable-file.js';

// CommonJS without types; two functions of it are all we use.
const { tryLock } = createRequire(import.meta.url)('fs-native-extensions') as { tryLock(fd: number): boolean };

/** Raised whenever an older binary could no longer read what this one writes. */
const FORMAT_VERSION = 1;

export interface DataDirectory {
  readonly path: string;
  readonly walPath: string;
  readonly storePath: string;
  readonly nodeId: NodeId;
  /** Gives the directory up. The files stay. */
  release(): Promise<void>;
}

/**
 * Takes exclusive ownership of a data directory, making it when it is not there.
 *
 * @param path Where the data lives.
 * @param nodeId The configured id; a directory that already has another one is refused, because a node that
 *   changes its name would be a new node with somebody else's log.
 * @throws EngramError `data_directory_locked` when another process holds it, `invalid_config` when the id or the
 *   format do not fit. Leaves the directory unchanged.
 */
export async function openDataDirectory(path: string, nodeId: NodeId | undefined, random: Random): Promise<DataDirectory> {
  const root = resolve(path);
  await mkdirOrExplain(root);
  const lock = await takeLock(root);
  try {
    const identity = await loadOrCreateIdentity(root, nodeId, random);
    return {
      path: root,
      walPath: join(root, 'wal'),
      storePath: join(root, 'store'),
      nodeId: identity,
      release: () => lock.close(),
    };
  } catch (error) {
    await lock.close();
    throw error;
  }
}

async function mkdirOrExplain(root: string): Promise<void> {
  try {
    await makeDirectory(root);
  } catch (cause) {
    throw new EngramError('invalid_config', `The data directory ${root} cannot be made: ${(cause as Error).message}.`, {
      hint: 'Choose another place with --data-dir, or make the directory and give this user the right to write in it.',
      cause,
    });
  }
}

/**
 * Makes a directory and those above it. Node's own `recursive` spins for ever where a file system refuses a directory
 * as if its parent were missing (`/proc`), and calls a read-only one missing too.
 */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (code !== 'ENOENT' || (await isDirectory(dirname(path)))) throw error;
    await makeDirectory(dirname(path));
    await mkdir(path, { mode: 0o700 });
  }
}

function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function takeLock(root: string): Promise<FileHandle> {
  const file = join(root, 'engram.lock');
  const handle = await open(file, 'a+', 0o600).catch((cause: unknown) => {
    throw new EngramError('invalid_config', `The data directory ${root} is not writable: ${(cause as Error).message}.`, {
      hint: 'Choose another place with --data-dir, or give this user the right to write in it.',
      cause,
    });
  });
  if (!tryLock(handle.fd)) {
    const holder = (await handle.readFile('utf8').catch(() => '')).trim();
    await handle.close();
    throw new EngramError(
      'data_directory_locked',
      `The data directory ${root} is in use by another engram process${holder ? ` (${holder})` : ''}.`,
      { hint: 'Stop that process first, or start this one with another --data-dir.' },
    );
  }
  await handle.truncate(0);
  await handle.write(`pid ${process.pid}, since ${new Date().toISOString()}\n`, 0);
  return handle;
}

async function loadOrCreateIdentity(root: string, configured: NodeId | undefined, random: Random): Promise<NodeId> {
  const file = join(root, 'node.json');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) {
    if (configured === undefined && (await holdsData(root))) {
      throw new EngramError('store_damaged', `${root} holds a log or a store, but ${file} is missing: whose data this is cannot be told.`, {
        hint: 'Put the file back from a copy, or say the id that this node had with --node-id.',
      });
    }
    const nodeId = configured ?? parseNodeId(`node-${Buffer.from(random.bytes(5)).toString('hex')}`);
    await writeDurably(file, `${JSON.stringify({ format: FORMAT_VERSION, node_id: nodeId })}\n`);
    return nodeId;
  }
  const { format, nodeId } = parseIdentity(file, text);
  if (format !== FORMAT_VERSION) {
    throw new EngramError('invalid_config', `${file} has format ${format}; this version of engram reads format ${FORMAT_VERSION}.`, {
      hint: 'Start the version of engram that wrote this directory, or choose another --data-dir.',
    });
  }
  if (configured !== undefined && configured !== nodeId) {
    throw new EngramError('invalid_config', `node.id is ${configured}, but the data directory ${root} belongs to node ${nodeId}.`, {
      hint: `Remove node.id (or --node-id) to go on as ${nodeId}, or choose another --data-dir for ${configured}.`,
    });
  }
  return nodeId;
}

async function holdsData(root: string): Promise<boolean> {
  const names = await readdir(root);
  return names.includes('wal') || names.includes('store');
}

function parseIdentity(file: string, text: string): { format: unknown; nodeId: NodeId } {
  try {
    const { format, node_id: nodeId } = JSON.parse(text) as { format?: unknown; node_id?: string };
    return { format, nodeId: parseNodeId(String(nodeId)) };
  } catch (cause) {
    throw new EngramError('store_damaged', `${file} is damaged: ${(cause as Error).message}`, {
      hint: 'Restore the file from a backup; it holds {"format":1,"node_id":"…"} with the id this node had.',
      cause,
    });
  }
}
