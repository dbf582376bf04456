import { EngramError, isMemoryId, isSpaceId, shown, unreachable, type MemoryId, type SpaceId } from '@engram/kernel';
import { damaged, fromMemoryFields, integer, memoryFieldsLength, pack, text, toMemoryFields, unpackArray } from './memory-fields.js';
import { ackLevels, partitionPolicies, type IdempotencyMark, type Operation, type SpacePolicy } from './operation.js';

/**
 * ```text
 * store             [1, 0, space, id, content, tags, confidence, whenMs, storedAtMs, embedding?, metadata?, mark?]
 * forget            [1, 1, space, id, atMs, mark?]
 * set-space-policy  [1, 2, space, ack?, partitionPolicy?, ttlMs?]
 * mark              [key, fingerprint, expiresAtMs]         (an absent field is nil)
 * ```
 */
const formatVersion = 1;
const kinds = { store: 0, forget: 1, 'set-space-policy': 2 } as const;
const what = 'a logged operation';

/** Bytes for the log. The operation must have passed `checkMemory`; nothing is checked again here. */
export function encodeOperation(operation: Operation): Uint8Array {
  switch (operation.kind) {
    case 'store': {
      const { memory, idempotency } = operation;
      return pack([formatVersion, kinds.store, memory.space, memory.id, ...toMemoryFields(memory), fromMark(idempotency)]);
    }
    case 'forget': {
      const { space, id, atMs, idempotency } = operation;
      return pack([formatVersion, kinds.forget, space, id, atMs, fromMark(idempotency)]);
    }
    case 'set-space-policy':
      return pack([formatVersion, kinds['set-space-policy'], operation.space, ...fromPolicy(operation.policy)]);
    default:
      return unreachable(operation);
  }
}

/**
 * Reads what `encodeOperation` wrote. Throws EngramError `store_damaged` when the bytes are not an operation, and
 * `invalid_argument` when they were written in a format this release does not know. Never throws anything else.
 */
export function decodeOperation(bytes: Uint8Array): Operation {
  const [version, kind, ...fields] = unpackArray(bytes, what);
  if (version !== formatVersion) throw unknownVersion(version);
  switch (kind) {
    case kinds.store: {
      expectLength(fields, 2 + memoryFieldsLength + 1);
      const key = { space: spaceId(fields[0]), id: memoryId(fields[1]) };
      const memory = fromMemoryFields(fields.slice(2, 2 + memoryFieldsLength), key, what);
      return { kind: 'store', memory, ...toMark(fields[2 + memoryFieldsLength]) };
    }
    case kinds.forget: {
      expectLength(fields, 4);
      const [space, id, atMs, mark] = fields;
      return { kind: 'forget', space: spaceId(space), id: memoryId(id), atMs: integer(atMs, what), ...toMark(mark) };
    }
    case kinds['set-space-policy']: {
      expectLength(fields, 4);
      return { kind: 'set-space-policy', space: spaceId(fields[0]), policy: toPolicy(fields.slice(1), what) };
    }
    default:
      throw damaged(what, `is of kind ${shown(kind)}, which version ${formatVersion} does not have`);
  }
}

/** `[ack?, partitionPolicy?, ttlMs?]`; also how the store keeps the policy of a space. */
export function fromPolicy(policy: SpacePolicy): readonly unknown[] {
  return [policy.ack ?? null, policy.partitionPolicy ?? null, policy.ttlMs ?? null];
}

export function toPolicy(fields: readonly unknown[], where: string): SpacePolicy {
  const [ack, partitionPolicy, ttlMs] = fields;
  return {
    ...(ack === null ? {} : { ack: oneOf(ackLevels, ack, where) }),
    ...(partitionPolicy === null ? {} : { partitionPolicy: oneOf(partitionPolicies, partitionPolicy, where) }),
    ...(ttlMs === null ? {} : { ttlMs: integer(ttlMs, where) }),
  };
}

function fromMark(mark: IdempotencyMark | undefined): readonly unknown[] | null {
  return mark === undefined ? null : [mark.key, mark.fingerprint, mark.expiresAtMs];
}

function toMark(value: unknown): { idempotency?: IdempotencyMark } {
  if (value === null) return {};
  if (!Array.isArray(value)) throw damaged(what, 'has an idempotency mark that is not a list');
  expectLength(value, 3);
  const [key, fingerprint, expiresAtMs] = value as unknown[];
  return { idempotency: { key: text(key, what), fingerprint: text(fingerprint, what), expiresAtMs: integer(expiresAtMs, what) } };
}

function oneOf<const T extends string>(allowed: readonly T[], value: unknown, where: string): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw damaged(where, `has a policy value ${shown(value)}; known are ${allowed.join(', ')}`);
  return found;
}

function spaceId(value: unknown): SpaceId {
  if (typeof value !== 'string' || !isSpaceId(value)) throw damaged(what, `names the space ${shown(value)}, which is no space id`);
  return value;
}

function memoryId(value: unknown): MemoryId {
  if (typeof value !== 'string' || !isMemoryId(value)) throw damaged(what, `names the memory ${shown(value)}, which is no memory id`);
  return value;
}

function expectLength(fields: readonly unknown[], length: number): void {
  if (fields.length !== length) throw damaged(what, `has ${fields.length} fields after its head; ${length} were expected`);
}

function unknownVersion(version: unknown): EngramError {
  return new EngramError('invalid_argument', `${what} is in format version ${shown(version)}; this release reads version ${formatVersion}`, {
    hint: 'It was written by another release of Engram, or is no operation at all. Start the release that wrote it.',
    details: { version: shown(version) },
  });
}
