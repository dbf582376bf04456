import type { MemoryId, SpaceId } from '@engram/kernel';
import { SpaceIndex, type Memory } from '../src/core/index.js';
import type { MemoryStore } from '../src/node/memory-store.js';
import type { LoggedOperation, SpacePolicy } from '../src/node/operation.js';
import type { IdempotentResult } from '../src/node/record-codec.js';

/** What a store must answer, kept the plainest way there is: Maps, everything in RAM, no commits. */
export class MapModel {
  readonly memories = new Map<string, Memory>();
  readonly forgotten = new Map<string, number>();
  readonly policies = new Map<SpaceId, SpacePolicy>();
  readonly dimensions = new Map<SpaceId, number>();
  readonly keys = new Map<string, { fingerprint: string; expiresAtMs: number; results: IdempotentResult[] }>();
  readonly known = new Set<SpaceId>();
  lsn = 0;

  apply({ operation, lsn, hlc }: LoggedOperation): void {
    this.lsn = lsn;
    if (operation === undefined) return;
    const space = operation.kind === 'store' ? operation.memory.space : operation.space;
    this.known.add(space);
    if (operation.kind === 'set-space-policy') {
      this.policies.set(space, operation.policy);
      return;
    }
    const id = operation.kind === 'store' ? operation.memory.id : operation.id;
    const name = `${space}/${id}`;
    if (operation.kind === 'forget') {
      this.memories.delete(name);
      if (!this.forgotten.has(name)) this.forgotten.set(name, operation.atMs);
    } else if (!this.memories.has(name) && !this.forgotten.has(name)) {
      this.memories.set(name, operation.memory);
      const { embedding } = operation.memory;
      if (embedding !== undefined && !this.dimensions.has(space)) this.dimensions.set(space, embedding.length);
    }
    if (operation.idempotency !== undefined) this.#note(operation.idempotency, { kind: operation.kind, space, id }, Number(hlc >> 16n));
  }

  of(space: SpaceId): Memory[] {
    return [...this.memories.values()].filter((memory) => memory.space === space).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  #note(mark: { key: string; fingerprint: string; expiresAtMs: number }, result: IdempotentResult, nowMs: number): void {
    const known = this.keys.get(mark.key);
    if (known !== undefined && nowMs < known.expiresAtMs && known.fingerprint === mark.fingerprint) known.results.push(result);
    else this.keys.set(mark.key, { fingerprint: mark.fingerprint, expiresAtMs: mark.expiresAtMs, results: [result] });
  }
}

/** Everything a reader can see, of a store and of the model in the same shape, so that one `toEqual` compares all of it. */
export function seenInStore(store: MemoryStore, nowMs: number) {
  const spaces = store.spaces().filter(({ space }) => space !== 'default');
  return {
    lsn: store.applied.lsn,
    spaces: spaces.map(({ space, memories, forgotten, dimension, policy }) => ({ space, memories, forgotten, dimension, policy })),
    memories: spaces.flatMap(({ space }) => pages(store, space)),
    recalls: spaces.map(({ space }) => store.recall([space], { text: 'Marta and the lighthouse' }, { limit: 20 }).hits.map(({ id, score }) => [id, score])),
    keys: Array.from({ length: 6 }, (_, i) => store.idempotent(`key ${i}`, nowMs)?.results),
  };
}

export function seenInModel(model: MapModel, nowMs: number): ReturnType<typeof seenInStore> {
  const spaces = [...model.known].sort();
  return {
    lsn: model.lsn,
    spaces: spaces.map((space) => ({
      space,
      memories: model.of(space).length,
      forgotten: [...model.forgotten.keys()].filter((name) => name.startsWith(`${space}/`)).length,
      dimension: model.dimensions.get(space),
      policy: model.policies.get(space) ?? {},
    })),
    memories: spaces.flatMap((space) => model.of(space)),
    recalls: spaces.map((space) => {
      const index = new SpaceIndex();
      for (const memory of model.of(space)) {
        const { embedding, ...wordsOnly } = memory;
        index.add(embedding !== undefined && embedding.length !== model.dimensions.get(space) ? wordsOnly : memory);
      }
      return index.recall({ text: 'Marta and the lighthouse' }, { limit: 20 }).hits.map(({ id, score }) => [id, score]);
    }),
    keys: Array.from({ length: 6 }, (_, i) => {
      const record = model.keys.get(`key ${i}`);
      return record !== undefined && nowMs < record.expiresAtMs ? record.results : undefined;
    }),
  };
}

function pages(store: MemoryStore, space: SpaceId): Memory[] {
  const all: Memory[] = [];
  let after: MemoryId | undefined;
  do {
    const page = store.list(space, { limit: 7, ...(after === undefined ? {} : { after }) });
    all.push(...page.memories);
    after = page.next;
  } while (after !== undefined);
  return all;
}
