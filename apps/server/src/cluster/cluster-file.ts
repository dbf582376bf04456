/** `cluster.json` in the data directory: which cluster the node belongs to. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Accepted, Ballot, FormationRecord } from '@engram/cluster';
import { EngramError, parseClusterId, parseNodeId, type ClusterId } from '@engram/kernel';
import { writeDurably } from '../durable-file.js';

const FORMAT_VERSION = 1;

/** As it stands in the file, `name` being that of the cluster, for people and for the check below. */
interface Written {
  readonly format: typeof FORMAT_VERSION;
  readonly name: ClusterId;
  readonly cluster_id?: ClusterId;
  readonly promised?: Ballot;
  readonly accepted?: { readonly ballot: Ballot; readonly cluster_id: ClusterId };
  /** The id that this node drew, and on which disk: only with that one may it begin the register. */
  readonly drew?: { readonly cluster_id: ClusterId; readonly storage_id: string };
}

export class ClusterFile {
  readonly #path: string;
  readonly #name: ClusterId;
  readonly #storageId: string;

  constructor(dataDirectory: string, name: ClusterId, storageId: string) {
    this.#path = join(dataDirectory, 'cluster.json');
    this.#name = name;
    this.#storageId = storageId;
  }

  /**
   * What was kept, or an empty record.
   *
   * @throws EngramError `invalid_config` when the node belongs to a cluster of another name, `store_damaged` when the
   *   file cannot be read.
   */
  async read(): Promise<FormationRecord> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) return {};
    const { format, name, record } = this.#parse(text);
    if (format !== FORMAT_VERSION) {
      throw new EngramError('invalid_config', `${this.#path} has format ${String(format)}; this version of engram reads format ${FORMAT_VERSION}.`, { hint: 'Start the version of engram that wrote this directory, or choose another --data-dir.' });
    }
    if (name === this.#name) return record;
    // What was promised to nodes of another name binds nobody once that name is given up.
    if (record.clusterId === undefined) return {};
    throw new EngramError('invalid_config', `cluster.name is ${this.#name}, but this node belongs to cluster ${name} (${record.clusterId}), as ${this.#path} says.`, {
      hint: `Set cluster.name to ${name}, or choose another --data-dir. A node never changes its cluster; its memories can be exported and imported.`,
    });
  }

  async write({ clusterId, promised, accepted, drew }: FormationRecord): Promise<void> {
    const written: Written = {
      format: FORMAT_VERSION,
      name: this.#name,
      ...(clusterId && { cluster_id: clusterId }),
      ...(promised && { promised }),
      ...(accepted && { accepted: { ballot: accepted.ballot, cluster_id: accepted.clusterId } }),
      ...(drew && { drew: { cluster_id: drew, storage_id: this.#storageId } }),
    };
    await writeDurably(this.#path, `${JSON.stringify(written)}\n`);
  }

  #parse(text: string): { readonly format: unknown; readonly name: ClusterId; readonly record: FormationRecord } {
    try {
      const { format, name, cluster_id: clusterId, promised, accepted, drew } = objectIn(text) as Written;
      return {
        format,
        name: parseClusterId(name),
        record: {
          ...(clusterId !== undefined && { clusterId: parseClusterId(clusterId) }),
          ...(promised && { promised: parseBallot(promised) }),
          ...(accepted && { accepted: parseAccepted(accepted) }),
          // A founder whose disk was lost is none any more: it would begin a second register.
          ...(drew?.storage_id === this.#storageId && { drew: parseClusterId(drew.cluster_id) }),
        },
      };
    } catch (cause) {
      throw new EngramError('store_damaged', `${this.#path} is damaged: ${(cause as Error).message}`, {
        hint: 'Restore the file from a backup, or write {"format":1,"name":"…","cluster_id":"…"} with the name and the id that `engram cluster health` shows on another node.',
        cause,
      });
    }
  }
}

function objectIn(text: string): object {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('it holds no JSON object');
  return value;
}

function parseBallot(written: Ballot | undefined): Ballot {
  const { round, node }: Partial<Ballot> = written ?? {};
  if (round === undefined || node === undefined || !Number.isSafeInteger(round) || round < 1) throw new TypeError('a ballot has a round from 1 on, and a node');
  return { round, node: parseNodeId(node) };
}

function parseAccepted({ ballot, cluster_id: clusterId }: NonNullable<Written['accepted']>): Accepted {
  return { ballot: parseBallot(ballot), clusterId: parseClusterId(clusterId) };
}

/** The cluster that a data directory belongs to, as `name (id)`, for people; undefined when it belongs to none. */
export async function belongsTo(dataDirectory: string): Promise<string | undefined> {
  const path = join(dataDirectory, 'cluster.json');
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const { name, cluster_id: clusterId } = (() => {
    try {
      return objectIn(text) as Partial<Record<keyof Written, unknown>>;
    } catch {
      return { name: 'of an unknown name', cluster_id: `${path} is damaged` };
    }
  })();
  return clusterId === undefined ? undefined : `${String(name)} (${String(clusterId)})`;
}

/**
 * Why a node that is started alone must not write: it belongs to a cluster, whose numbering its entries would contradict.
 * A look at its data is fine. Undefined for a node that belongs to none.
 */
export async function belongsElsewhere(dataDirectory: string): Promise<string | undefined> {
  const cluster = await belongsTo(dataDirectory);
  return cluster && `this node belongs to cluster ${cluster}, but runs alone because cluster.enabled is false; set it to true, or choose another --data-dir`;
}
